"""Whole programs as people write them: models of many kinds, settings, training code. Held against running them."""

from __future__ import annotations

PROGRAMS: dict[str, str] = {
    "a GPT's attention with a dataclass of settings": """
from dataclasses import dataclass

@dataclass
class GPTConfig:
    block_size: int = 16
    n_head: int = 2
    n_embd: int = 8
    dropout: float = 0.0
    bias: bool = True

class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.n_head = config.n_head
        self.n_embd = config.n_embd
        size = config.block_size
        self.register_buffer("bias", torch.tril(torch.ones(size, size)).view(1, 1, size, size))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
        k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float('-inf'))
        att = F.softmax(att, dim=-1)
        y = att @ v
        y = y.transpose(1, 2).contiguous().view(B, T, C)
        return self.c_proj(y)

r = CausalSelfAttention(GPTConfig(n_head=4))(seq)
""",
    "a plain class of settings": """
class Config:
    dim = 8
    heads = 2
    def __init__(self, depth=3):
        self.depth = depth
    @property
    def head_dim(self):
        return self.dim // self.heads
cfg = Config(depth=2)
r = torch.zeros(cfg.dim, cfg.heads, cfg.depth, cfg.head_dim)
""",
    "a block with a dict of layers": """
class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.layers = nn.ModuleDict(dict(
            norm1=nn.LayerNorm(dim),
            attn=nn.MultiheadAttention(dim, 2, batch_first=True),
            norm2=nn.LayerNorm(dim),
            mlp=nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)),
        ))
    def forward(self, x):
        h = self.layers.norm1(x)
        a, _ = self.layers.attn(h, h, h)
        x = x + a
        return x + self.layers['mlp'](self.layers['norm2'](x))
r = Block(8)(seq)
""",
    "a U-Net with a stack of skips": """
class UNet(nn.Module):
    def __init__(self, chs=(3, 8, 16)):
        super().__init__()
        self.downs = nn.ModuleList([nn.Conv2d(a, b, 3, padding=1) for a, b in zip(chs[:-1], chs[1:])])
        self.ups = nn.ModuleList([nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in zip(chs[:-1], chs[1:])][::-1])
        self.pool = nn.MaxPool2d(2)
    def forward(self, x):
        skips = []
        for d in self.downs:
            x = F.relu(d(x))
            skips.append(x)
            x = self.pool(x)
        for u in self.ups:
            x = u(x)
            s = skips.pop()
            x = torch.cat([x, s[:, :x.shape[1]]], 1)[:, :x.shape[1]]
        return x
r = UNet()(img)
""",
    "a residual block": """
class ResBlock(nn.Module):
    expansion = 4
    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super(ResBlock, self).__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, kernel_size=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.conv3(out)
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)
down = nn.Sequential(nn.Conv2d(3, 16, 1, stride=2), nn.BatchNorm2d(16))
r = ResBlock(3, 4, 2, down)(img)
""",
    "a recurrent cell in a loop": """
class GRUCellLoop(nn.Module):
    def __init__(self, i, h):
        super().__init__()
        self.cell = nn.GRUCell(i, h)
        self.h = h
    def forward(self, x):
        hx = x.new_zeros(x.size(0), self.h)
        outs = []
        for t in range(x.size(1)):
            hx = self.cell(x[:, t], hx)
            outs.append(hx)
        return torch.stack(outs, dim=1), hx
r, h = GRUCellLoop(8, 6)(seq)
""",
    "a variational autoencoder": """
class VAE(nn.Module):
    def __init__(self, d=4, z=2):
        super().__init__()
        self.enc = nn.Linear(d, 2 * z)
        self.dec = nn.Linear(z, d)
    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std
    def forward(self, x):
        mu, logvar = self.enc(x).chunk(2, dim=-1)
        z = self.reparameterize(mu, logvar)
        return {'recon': self.dec(z), 'mu': mu, 'logvar': logvar}
out = VAE()(x)
kl = -0.5 * torch.sum(1 + out['logvar'] - out['mu'].pow(2) - out['logvar'].exp())
r = F.mse_loss(out['recon'], x) + kl
""",
    "a mixture of experts": """
class MoE(nn.Module):
    def __init__(self, dim, n_experts, k):
        super().__init__()
        self.gate = nn.Linear(dim, n_experts)
        self.experts = nn.ModuleList(nn.Linear(dim, dim) for _ in range(n_experts))
        self.k = k
    def forward(self, x):
        scores = self.gate(x).softmax(-1)
        w, idx = scores.topk(self.k, dim=-1)
        outs = torch.stack([e(x) for e in self.experts], dim=-2)
        picked = outs.gather(-2, idx.unsqueeze(-1).expand(*idx.shape, x.shape[-1]))
        return (w.unsqueeze(-1) * picked).sum(-2)
r = MoE(8, 4, 2)(seq)
""",
    "patches with a class token": """
class PatchEmbed(nn.Module):
    def __init__(self, img_size=8, patch=2, in_chans=3, embed=16):
        super().__init__()
        self.grid = (img_size // patch, img_size // patch)
        self.num_patches = self.grid[0] * self.grid[1]
        self.proj = nn.Conv2d(in_chans, embed, kernel_size=patch, stride=patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed))
        self.pos = nn.Parameter(torch.randn(1, self.num_patches + 1, embed) * .02)
    def forward(self, x):
        x = self.proj(x).flatten(2).transpose(1, 2)
        cls = self.cls_token.expand(x.shape[0], -1, -1)
        return torch.cat((cls, x), dim=1) + self.pos
r = PatchEmbed()(img)
""",
    "a feature pyramid by name": """
class FPN(nn.Module):
    def __init__(self, chans, out):
        super().__init__()
        self.lateral = nn.ModuleDict({f'l{i}': nn.Conv2d(c, out, 1) for i, c in enumerate(chans)})
    def forward(self, feats):
        outs = {}
        prev = None
        for name in reversed(list(feats.keys())):
            lat = self.lateral[name](feats[name])
            if prev is not None:
                lat = lat + F.interpolate(prev, size=lat.shape[-2:], mode='nearest')
            outs[name] = prev = lat
        return outs
fs = {'l0': torch.randn(1, 8, 16, 16), 'l1': torch.randn(1, 16, 8, 8)}
outs = FPN([8, 16], 4)(fs)
r = outs['l0']
""",
    "a cache of keys": """
class KVCache:
    def __init__(self, b, h, t, d):
        self.k = torch.zeros(b, h, t, d)
        self.pos = 0
    def update(self, k):
        n = k.shape[2]
        self.k[:, :, self.pos:self.pos + n] = k
        self.pos += n
        return self.k[:, :, :self.pos]
cache = KVCache(2, 4, 32, 16)
r = cache.update(q)
r = cache.update(q[:, :, :1])
""",
    "LoRA around a layer": """
class LoRA(nn.Module):
    def __init__(self, base, rank=2):
        super().__init__()
        self.base = base
        self.A = nn.Parameter(torch.randn(rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        self.base.weight.requires_grad = False
        for p in self.base.parameters():
            p.requires_grad_(False)
    def forward(self, x):
        return self.base(x) + F.linear(F.linear(x, self.A), self.B)
r = LoRA(nn.Linear(8, 6))(seq)
""",
    "a language model with tied weights": """
class TiedLM(nn.Module):
    def __init__(self, v, d):
        super().__init__()
        self.transformer = nn.ModuleDict(dict(
            wte=nn.Embedding(v, d), drop=nn.Dropout(0.1),
            h=nn.ModuleList([nn.Linear(d, d) for _ in range(2)]), ln_f=nn.LayerNorm(d),
        ))
        self.lm_head = nn.Linear(d, v, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        self.apply(self._init_weights)
    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
    def forward(self, idx, targets=None):
        x = self.transformer.drop(self.transformer.wte(idx))
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        if targets is not None:
            logits = self.lm_head(x)
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        else:
            logits = self.lm_head(x[:, [-1], :])
            loss = None
        return logits, loss
r, loss = TiedLM(20, 8)(ids, ids)
t, _ = TiedLM(20, 8)(ids)
""",
    "layers from a list of settings": """
def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for v0 in cfg:
        if v0 == 'M':
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        else:
            conv2d = nn.Conv2d(in_channels, v0, kernel_size=3, padding=1)
            if batch_norm:
                layers += [conv2d, nn.BatchNorm2d(v0), nn.ReLU(inplace=True)]
            else:
                layers += [conv2d, nn.ReLU(inplace=True)]
            in_channels = v0
    return nn.Sequential(*layers)
cfgs = {'A': [8, 'M', 16, 'M'], 'B': [8, 8, 'M']}
r = make_layers(cfgs['A'], True)(img)
t = make_layers(cfgs['B'])(img).flatten(1)
""",
    "parameters, buffers and children": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3, 4))
        self.register_buffer('b', torch.zeros(7))
        self.layers = nn.ModuleDict({'a': nn.MultiheadAttention(8, 2), 'c': nn.BatchNorm1d(3)})
        self.t = torch.zeros(2)
    def forward(self, x):
        return x @ self.w.T
net = Net()
ps = [p.shape for p in net.parameters()]
ns = [len(n) for n, p in net.named_parameters()]
r = net(x)
t = torch.zeros(sum(math.prod(s0) for s0 in ps), len(ns), sum(ns))
m0 = torch.zeros(len(list(net.children())), len(list(net.named_children())))
""",
    "a network that initializes itself": """
class VGG(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(True), nn.MaxPool2d(2))
        self.avgpool = nn.AdaptiveAvgPool2d((3, 3))
        self.classifier = nn.Sequential(nn.Linear(8 * 9, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, 10))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                m.weight.data.normal_(0, 0.01)
                m.bias.data.zero_()
    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))
r = VGG()(img)
""",
    "a training loop": """
model = nn.Linear(4, 5)
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=10)
for epoch in range(2):
    for xb, yb in zip(x, torch.randint(0, 5, (2, 3))):
        opt.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    sched.step()
r = loss
""",
    "a class that is called": """
class Compose:
    def __init__(self, *fns):
        self.fns = fns
    def __call__(self, t):
        for f in self.fns:
            t = f(t)
        return t
r = Compose(torch.relu, lambda t: t.flatten(1), nn.Linear(12, 2))(x)
""",
    "a frozen dataclass": """
from dataclasses import dataclass, field
@dataclass(frozen=True)
class Cfg:
    dims: tuple = (4, 8)
    n: int = field(default=2)
    extra: list = field(default_factory=lambda: [1, 2])
    def total(self):
        return sum(self.dims) + self.n
    @classmethod
    def small(cls):
        return cls(dims=(2,), n=1)
    @property
    def last(self):
        return self.dims[-1]
c0, c1 = Cfg(), Cfg.small()
r = torch.zeros(c0.total(), c1.total(), c0.last, len(c1.extra))
""",
    "a dataclass that derives from another": """
from dataclasses import dataclass
@dataclass
class Base:
    a: int
    b: int = 2
@dataclass
class Derived(Base):
    c: int = 3
    def __post_init__(self):
        self.d = self.a + self.c
v0 = Derived(5, c=1)
r = torch.zeros(v0.a, v0.b, v0.c, v0.d)
""",
    "super in a plain class": """
class P:
    def area(self): return self.h * self.w
class Q(P):
    def __init__(self, h, w):
        super().__init__()
        self.h, self.w = h, w
    def area(self): return super().area() + 1
r = torch.zeros(Q(2, 3).area())
""",
    "a module with a plain helper": """
class Net(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.helper = Helper(cfg['dim'])
        self.fc = nn.Linear(cfg['dim'], cfg.get('out', 7))
    @property
    def device(self):
        return next(self.parameters()).device
    def forward(self, x):
        return self.fc(self.helper(x)).to(self.fc.weight.dtype)
class Helper:
    def __init__(self, d): self.d = d
    def __call__(self, x):
        assert x.shape[-1] == self.d, f'got {x.shape}'
        return F.layer_norm(x, (self.d,))
r = Net({'dim': 8})(seq)
n0 = sum(p.numel() for p in Net({'dim': 8}).parameters())
t = torch.zeros(n0)
""",
    "frozen layers": """
model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6))
model[0].requires_grad_(False)
n0 = sum(p.numel() for p in model.parameters() if p.requires_grad)
r = torch.zeros(n0)
""",
    "blocks that derive from nn.Sequential": """
from functools import partial

class ConvNormAct(nn.Sequential):
    def __init__(self, inp, out, stride=1, norm=nn.BatchNorm2d):
        super().__init__(
            nn.Conv2d(inp, out, 3, stride, 1, bias=False),
            norm(out),
            nn.ReLU6(inplace=True),
        )
        self.out_channels = out

class Transition(nn.Sequential):
    def __init__(self, inp, out):
        super().__init__()
        self.norm = nn.BatchNorm2d(inp)
        self.conv = nn.Conv2d(inp, out, 1)
        self.add_module("pool", nn.AvgPool2d(2, 2))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=1e-3)
        self.stem = ConvNormAct(3, 8, stride=2, norm=norm)
        self.body = nn.Sequential(*[ConvNormAct(8, 8, norm=norm) for _ in range(2)], Transition(8, 5))

    def forward(self, img):
        return self.body(self.stem(img))

net = Net().eval()
y = net(img)
first = net.stem[0](img)
layers = torch.zeros(len(net.stem), len(list(net.modules())), len(list(net.parameters())))
w = net.stem[0].weight
inside = [m(y) for m in net.body[-1] if isinstance(m, nn.AvgPool2d)]
pooled = inside[0]
named = torch.zeros([len(name) for name, _ in net.body[-1].named_children()])
total = torch.zeros(sum(p.numel() for p in net.parameters()))
""",
    "layers that derive from torch's own": """
class Conv2dSame(nn.Conv2d):
    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, self.bias, self.stride)

class Scaled(nn.Linear):
    def __init__(self, inp, out, rank=2):
        super().__init__(inp, out, bias=False)
        self.a = nn.Parameter(torch.zeros(rank, inp))
        self.b = nn.Parameter(torch.zeros(out, rank))

    def forward(self, x):
        return super().forward(x) + x @ self.a.T @ self.b.T

class Wider(Scaled):
    def __init__(self, inp):
        super().__init__(inp, 2 * inp, rank=inp)

class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)

class Heads(nn.ModuleList):
    def __init__(self, dims):
        super().__init__([nn.Linear(4, d) for d in dims])

    def forward(self, x):
        return torch.cat([head(x) for head in self], dim=-1)

class Plain(nn.Linear):
    pass

conv = Conv2dSame(3, 6, 3, stride=2)
a = LayerNorm2d(6)(conv(img))
wide = Wider(4)
b = wide(x)
heads = Heads([2, 3, 5])
heads.append(Plain(4, 7))
c = heads(x)
d = torch.zeros(wide.in_features, wide.out_features, len(heads), len(list(wide.parameters())))
e = wide.weight
f = Plain(4, 2).double()(x.double())
g = torch.zeros(isinstance(wide, nn.Linear) + 1, isinstance(heads[-1], Plain) + 1, isinstance(conv, nn.Linear) + 1)
""",
    "functions with some arguments given": """
from functools import partial
import functools

pool = partial(F.avg_pool2d, kernel_size=2)
a = pool(img)
b = functools.partial(torch.cat, dim=1)([x, x])
layer = partial(partial(nn.Linear, 4), bias=False)
c = layer(7)(x)
act = partial(lambda t, dim: t.softmax(dim), dim=-1)
d = act(x)
e = list(map(partial(torch.sum, dim=0), [x, m]))[1]
block = partial(nn.LayerNorm, eps=1e-6)
net = nn.Sequential(block(4), nn.Linear(4, 3))
g = net(x)
""",
    "attributes by computed names": """
class Heads(nn.Module):
    NAMES, SIZES = ("a", "b"), (2, 3)

    def __init__(self, scale=None):
        nn.Module.__init__(self)
        for name, size in zip(self.NAMES, self.SIZES):
            setattr(self, f"head_{name}", nn.Linear(4, size))
        if scale is not None:
            self.scale = scale

    @property
    def width(self):
        return sum(getattr(self, f"head_{name}").out_features for name in self.NAMES)

    def forward(self, x):
        outs = [getattr(self, f"head_{name}").forward(x) for name in self.NAMES]
        y = torch.cat(outs, dim=-1)
        return y * self.scale if hasattr(self, "scale") else y

class Tanh(nn.Linear):
    def __init__(self, n):
        nn.Linear.__init__(self, n, n)

    def forward(self, x):
        return super().forward(x).tanh()

heads = Heads()
a = heads(x)
b = Heads(scale=2.0)(x)
c = torch.zeros(getattr(heads, "width"), getattr(heads, "missing", 7), hasattr(heads, "forward") + 1)
d = Tanh(4)(x)
e = nn.Sequential(Tanh(4), nn.ReLU()).forward(x)
""",
}
