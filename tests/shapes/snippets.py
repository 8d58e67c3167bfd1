"""What people write: snippets by the clause they cover, over one set of arguments. Used by several tests."""

from __future__ import annotations

ARGS: dict[str, str] = {
    "x": "2,3,4", "y": "2,3,4", "m": "3,4", "n": "4,5", "v": "4", "b": "2,4,5", "s": "6,6", "img": "2,3,8,8",
    "seq": "2,5,8", "q": "2,4,10,16", "one": "1,3", "i": "3:int64", "ids": "2,5:int64", "z": ":int64",
    "c": "4,4:complex64", "flag": "2,3,4:bool", "k": "2,3,4:int32",
}  # fmt: skip
"""The shapes of every free name in the snippets below."""

SNIPPETS: dict[str, list[str]] = {
    "several lines and nested expressions": [
        "h = torch.relu(x @ n)\nr = h.sum(-1)", "r = torch.softmax((x @ n).transpose(1, 2) / 2.0, dim=-1).mean()",
        "a = x + 1\na = a * 2  # again\n\nr = a.view(6, 4)", "a = x; r = a.reshape(-1)",
        "r = (\n    x\n    .flatten(1)\n    .unsqueeze(0)\n)", "r = s2 = x.flatten()\nt = r[None] + s2",
        "r: torch.Tensor = x.sum(0)", "r = F.gelu(F.linear(x, n.T))", "pass\nr = x.abs()", "'a docstring'\nr = x.exp()",
    ],
    "shapes read": [
        "b0, t, d = x.shape\nr = x.view(b0 * t, d)",
        "bs, t, d = seq.size()\nr = seq.view(bs, t, 2, d // 2).transpose(1, 2)", "r = x.reshape(*x.shape[:2], 2, 2)",
        "r = x.new_zeros(*x.shape, 7)", "r = x.view(x.size(0), -1)", "r = x.view(-1, x.size(-1))",
        "r = torch.zeros(x.shape[0], 3)", "r = torch.ones(x.shape)",
        "r = torch.zeros(x.shape[0] // 2, x.shape[1] * 2 - 1, x.shape[2] % 3)",
        "r = torch.zeros(len(x), x.ndim, x.dim())", "r = x.reshape(x.numel())", "r = torch.empty(x.shape[:-1] + (8,))",
        "r = torch.empty(x.size()[1:])", "r = torch.empty((x.shape[0], *m.shape))",
        "r = x.view(x.shape[0], -1).new_ones(max(x.shape), min(m.shape))",
        "r = torch.zeros(math.ceil(x.shape[2] / 3), math.prod(x.shape))",
        "r = torch.zeros(int(x.shape[0] ** 0.5), sum(x.shape))", "h, *rest = x.shape\nr = torch.zeros(h, len(rest))",
        "*rest, d = x.shape\nr = x.reshape(-1, d).view(*rest, d)", "r = x.expand(5, *x.shape)",
        "r = torch.zeros(torch.broadcast_shapes(x.shape, m.shape))", "r = x.view(torch.Size([6, 4]))",
        "n0 = x.shape.numel()\nr = torch.arange(n0)", "r = torch.zeros(list(x.shape)[::-1])",
        "r = x.permute(*reversed(range(x.ndim)))",
        "r = x.permute(*torch.arange(x.ndim - 1, -1, -1).shape, 0, 1) if x.ndim == 2 else x",
    ],
    "indexing": [
        "r = x.clone()\nr[[[0], [1, 1]]] = 1",
        "r = x.clone()\nr[flag] = 0", "r = x.clone()\nr[r > 0] = -1.5", "r = m.clone()\nr[:, v > 0] = v[0]",
        "r = x.clone()\nr[..., v > 0] = 0", "r = x.clone()\nr[0, m[:, 0] > 0, 1:3] = 0",
        "r = x[0]", "r = x[-1]", "r = x[0, 1]", "r = x[0, 1, 2]", "r = x[:, 0]", "r = x[1:]", "r = x[:-1, ::2]",
        "r = x[..., 0]", "r = x[..., None]", "r = x[None]", "r = x[:, None, :, None]", "r = x[0, ..., 1:3]",
        "r = x[:, [0, 2]]", "r = x[:, [[0, 1], [1, 2]]]", "r = x[[0, 1], [1, 2]]", "r = x[[0, 1], :, [1, 2]]",
        "r = x[:, i]", "r = m[i]", "r = x[0, i]", "r = m[ids]", "r = x[:, i, None]", "r = x[:, i, i]",
        "r = q[0, :, i, i]", "r = q[:, i, :, i]", "r = q[i[:2], ..., i[:2]]", "r = x[z]", "r = x[z, :, [0, 1]]",
        "r = x[None, 0, ..., None, 1:4:2]", "r = x[1:100, 5:2]", "r = x[:]", "r = x[...]", "r = x[()]",
        "r = x[torch.arange(2)[:, None], torch.arange(3)]", "r = x[slice(0, 1), slice(None, None, 2)]",
        "r = x[0][1][2]", "idx = (0, slice(1, 3))\nr = x[idx]", "r = x[x.shape[0] - 1]", "r = x[:, range(2)]",
        "r = x[:, torch.tensor([0, 2])]", "r = x[(x.shape[1] - 3):, :: x.shape[0]]",
    ],
    "operators": [
        "r = m @ n", "r = x @ n", "r = x + m", "r = x - v", "r = 2 * x", "r = x / v", "r = x // 2", "r = k % 3",
        "r = x ** 2", "r = 2 ** x", "r = -x", "r = +x", "r = ~flag", "r = x > m", "r = x <= 0", "r = 1 < x",
        "r = x == y", "r = x != y", "r = flag & (x > 0)", "r = flag | ~flag", "r = flag ^ flag", "r = k << 1",
        "r = k >> k", "r = 1 - x", "r = 1 / x", "r = -(x + 1) ** 2", "r = abs(x)", "r = one + v[:, None]", "r = v @ n",
        "r = m @ v", "r = v @ v", "r = x @ v", "r = 7 // k", "r = sum([x, y, x])",
    ],
    "augmented assignment": [
        "r = x.clone()\nr += m", "r = x.clone()\nr -= 1\nr *= v\nr /= 2", "r = k.clone()\nr //= 2\nr %= 3",
        "r = x.clone()\nr **= 2", "a = 3\na += 1\na *= 2\nr = torch.zeros(a)", "r = m\nr @= n",
        "sh = [2]\nsh += [3]\nr = torch.zeros(sh)", "r = x.clone()\nr[0] += 1", "r = x.clone()\nr[:, 0] = 0",
        "r = x.clone()\nr[:, i] = x[:, i]", "r = x.clone()\nr[0, 1:] = v", "r = x.clone()\nr[..., 0] *= 2",
        "sh = (2,)\nsh += (3,)\nr = torch.zeros(sh)", "r = flag.clone()\nr &= flag\nr |= flag",
        "r = x.clone()\nr.unsqueeze_(0)", "r = x.clone()\nr.add_(m).mul_(2)", "r = m.clone()\nr.t_()",
        "sizes = [1, 2, 3]\nsizes[0] = 5\nr = torch.zeros(sizes)",
    ],
    "torch functions": [
        "r = torch.cat([x, y], dim=1)", "r = torch.cat((x, y), -1)", "r = torch.stack([x, y])",
        "r = torch.stack((m, m), dim=1)", "r = torch.matmul(x, n)", "r = torch.bmm(b, b.transpose(1, 2))",
        "r = torch.einsum('bij,bjk->bik', x, x.mT)", "r = torch.einsum('b i j -> b j i', x)",
        "r = torch.einsum('...d,de->...e', x, n)", "r = torch.einsum('ii', s)", "r = torch.where(flag, x, y)",
        "r = torch.where(x > 0, x, 0.0)", "r = torch.outer(v, v)", "r = torch.tril(torch.ones(5, 5))",
        "r = torch.arange(10)", "r = torch.arange(2, 11, 3)", "r = torch.linspace(0, 1, 7)", "r = torch.eye(3)",
        "r = torch.full((2, 3), 1.5)", "r = torch.randn(2, 3)", "r = torch.randint(0, 9, (4, 2))",
        "r = torch.tensor([[1, 2], [3, 4]])", "r = torch.zeros_like(x)", "r = torch.cumsum(x, 1)",
        "r = torch.flip(x, (0, 2))", "r = torch.roll(x, 1, 0)",
        "r = torch.gather(x, 1, torch.zeros(2, 1, 4, dtype=torch.long))", "r = torch.diag(v)", "r = torch.kron(m, one)",
        "r = torch.tensordot(x, n, dims=1)", "r = torch.cdist(x, y)", "r = torch.index_select(x, 1, i)",
        "r = torch.repeat_interleave(x, 3, dim=1)", "r = torch.logsumexp(x, dim=(0, 1))", "r = torch.clamp(x, min=0)",
        "r = torch.maximum(x, m)", "r = torch.nn.functional.relu(x)", "r = torch.meshgrid(v, x[0, 0])",
        "r = torch.rand(3, dtype=torch.float64)", "r = torch.block_diag(m, n)",
        "r = torch.take_along_dim(x, ids[:, :1, None], 1)", "r = torch.bucketize(x, v)", "r = torch.triu_indices(4, 4)",
        "r = torch.cross(x[..., :3], y[..., :3], dim=-1)",
    ],
    "linalg, fft, special": [
        "r = torch.linalg.norm(x)", "r = torch.linalg.norm(x, dim=-1, keepdim=True)", "r = torch.linalg.solve(s, s)",
        "r, d, w = torch.linalg.svd(m)", "u, d, r = torch.linalg.svd(m, full_matrices=False)",
        "r = torch.linalg.inv(s)", "q0, r = torch.linalg.qr(m)", "r = torch.linalg.det(s)",
        "r = torch.linalg.eigh(s).eigenvalues", "r = torch.fft.fft(x)", "r = torch.fft.rfft(x, n=7)",
        "r = torch.fft.irfft(torch.fft.rfft(x))", "r = torch.fft.fft2(x)", "r = torch.fft.fftfreq(6)",
        "r = torch.special.expit(x)", "r = torch.special.logsumexp(x, dim=1)",
        "r = torch.linalg.multi_dot([m, n, n.T])",
    ],
    "functional": [
        "r = F.softmax(x, dim=-1)", "r = F.linear(x, n.T)", "r = F.conv2d(img, torch.zeros(6, 3, 3, 3), padding=1)",
        "r = F.max_pool2d(img, 2)", "r = F.pad(x, (1, 2))", "r = F.pad(x, (1, 1, 2, 2), mode='constant', value=0)",
        "r = F.interpolate(img, scale_factor=2)",
        "r = F.interpolate(img, size=(5, 6), mode='bilinear', align_corners=False)",
        "r = F.one_hot(ids, num_classes=9)", "r = F.layer_norm(x, (4,))", "r = F.layer_norm(x, x.shape[-1:])",
        "r = F.embedding(ids, n)", "r = F.scaled_dot_product_attention(q, q, q)", "r = F.unfold(img, kernel_size=3)",
        "r = F.cross_entropy(m, i)", "r = F.glu(x)", "r = F.dropout(x, 0.1, training=False)",
        "r = F.pixel_shuffle(q, 2)", "r = F.adaptive_avg_pool2d(img, (1, None))", "r = F.normalize(x, dim=-1)",
        "r = F.cosine_similarity(x, y)", "r = F.mse_loss(x, y, reduction='none')",
        "r = F.conv1d(x, torch.zeros(5, 3, 2), stride=2)", "r = F.relu(x, inplace=True)",
    ],
    "modules": [
        "r = nn.Linear(4, 7)(x)", "r = nn.Linear(in_features=4, out_features=7, bias=False)(x)",
        "r = nn.Conv2d(3, 6, 3)(img)", "r = nn.Conv2d(3, 6, kernel_size=3, stride=2, padding=1)(img)",
        "r = nn.LayerNorm(4)(x)", "r = nn.BatchNorm2d(3)(img)", "r = nn.Embedding(10, 6)(ids)",
        "r = nn.MaxPool2d(2)(img)", "r = nn.Flatten()(img)", "r = nn.GELU()(x)",
        "r = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))(x)", "r, (h, c0) = nn.LSTM(8, 6)(seq)",
        "r, h = nn.GRU(8, 6, num_layers=2, batch_first=True)(seq)",
        "o, (h, c0) = nn.LSTM(8, 6, bidirectional=True)(seq)\nr = h[-1]",
        "r, w = nn.MultiheadAttention(8, 2, batch_first=True)(seq, seq, seq)",
        "layer = nn.Linear(4, 4)\nr = layer(layer(x))",
        "r = nn.MultiheadAttention(8, 2)(seq, seq, seq, need_weights=False)[0]",
        "r = nn.ConvTranspose2d(3, 6, 2, stride=2)(img)", "r = nn.Dropout(0.5).eval()(x)",
        "r = nn.TransformerEncoderLayer(8, 2, batch_first=True)(seq)", "r = nn.RMSNorm(4)(x)",
        "net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())\nfor layer in net:\n    img = layer(img)\nr = img + 0",
        "layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])\nr = x\nfor layer in layers:\n    r = layer(r)",
        "r = nn.AdaptiveAvgPool2d(1)(img).flatten(1)", "r = nn.Upsample(scale_factor=2)(img)",
        "r = nn.Softmax(dim=-1)(x)", "r = torch.nn.PixelShuffle(2)(q)", "r = nn.CrossEntropyLoss()(m, i)",
        "w = nn.Parameter(x)\nr = w * 2", "r = nn.Parameter(data=x) * 2",
        "r = nn.Linear(4, 2).double()(x.double())", "r = nn.Linear(4, 2).to(torch.bfloat16)(x.bfloat16())",
        "r = nn.Sequential(nn.Linear(4, 2), nn.Tanh()).half().float()(x)",
        "r = nn.LayerNorm(4).to(x.double())(x.double())",
        "layer = nn.Linear(4, 6)\nr = layer(x).view(-1, layer.out_features)",
        "conv = nn.Conv2d(3, 6, 3)\nr = img.new_zeros(conv.out_channels, *conv.kernel_size)",
        "w = nn.init.normal_(torch.empty(3, 4), std=0.02)\nr = x @ w.T",
    ],
    "methods and properties": [
        "r = m.T", "r = x.mT", "r = c.H", "r = c.real", "r = x.max(dim=1).values", "r = x.sort(-1).indices",
        "r = x.topk(2).values", "r = x.max(1)[0]", "r = x.min()", "r = x.transpose(0, 2).contiguous().view(4, -1)",
        "r = x.permute(2, 0, 1)", "r = x.view(2, -1)", "r = x.reshape(4, 6).t()", "r = x.flatten(start_dim=1)",
        "r = x.unflatten(2, (2, -1))", "r = one.squeeze(0)", "r = one.squeeze()", "r = one.expand(5, -1)",
        "r = one.expand_as(m[:, :3])", "r = x.repeat(2, 1, 1)", "r = v.repeat(3, 2)",
        "r = x.mean((0, 1), keepdim=True)", "r = x.argmax(-1)", "r = x.masked_fill(flag, 0.0)", "r = x.unfold(2, 2, 1)",
        "r = x.movedim(0, -1)", "r = x.narrow(1, 0, 2)", "r = x.select(0, 1)", "r = x.diagonal(dim1=1, dim2=2)",
        "r = x.tile(2, 2)", "r = x.scatter_add(1, torch.zeros(2, 1, 4, dtype=torch.int64), y)",
        "r = x.index_select(2, i)", "r = x.view_as(y)", "r = x.softmax(-1).log().neg().sum(dim=-1, keepdim=True)",
        "r = x.tensor_split(2)[0]", "r = x.std(0, unbiased=False)", "r = x.amax(dim=(0, 2))",
        "r = x.quantile(0.5, dim=1)", "r = x.new_full((2,), 3.0)", "r = x.swapaxes(0, 1)",
    ],
    "tuples and unpacking": [
        "a, r = x.chunk(2, dim=-1)", "a, w, r = seq.split([1, 3, 4], dim=-1)", "values, r = x.topk(2, dim=1)",
        "a, *r = x.unbind(1)", "*a, r = x.unbind(1)", "a, *w, r = q.unbind(2)", "a, r = x", "(a, w), r = x.chunk(2), m",
        "a, r = m, n", "a, r = m, n\na, r = r, a", "parts = x.split(1)\nr = parts[-1]", "r = x.split(2, -1)",
        "a, r = torch.broadcast_tensors(x, m)", "r = torch.var_mean(x, dim=0)", "[a, r] = x.split(1)",
        "r = (x, (m, n))[1][0]", "r, *_ = x.sort()", "r = [x, y]\nt = torch.cat(r)", "a = r = x + 1",
        "r = x.aminmax(dim=0).max",
    ],
    "comprehensions, loops, branches": [
        "rows = [(last := row * 2) for row in x]\nr = last", "r = x\nfor letter in 'abc':\n    r = r[None]",
        "from typing import Optional as O\ndef f(a: O[int]) -> O[int]:\n    return a * 2\nr = f(x)",
        "@torch.no_grad()\ndef f(a):\n    return a.sum(0)\nr = f(x)", "h = x * 2\nr = h.T\ndel h",
        "x.requires_grad = True\nr = x * 2",
        "d = 'cuda' if torch.cuda.is_available() else 'cpu'\nr = torch.zeros(2, 3, device='cpu') + len(d)",
        "a, b = 'ik', 'kj'\nr = torch.einsum(f'{a},{b}->ij', m, n)",
        "low = torch.finfo(x.dtype).min\nr = x.masked_fill(flag, low)", "r = ids + torch.iinfo(ids.dtype).bits",
        "r = torch.stack([x[:, j] for j in range(3)])", "r = torch.cat([t * 2 for t in x.unbind(0)])",
        "r = torch.stack([a + w for a in x for w in y])", "r = torch.cat([x[j] for j in range(4) if j < 2])",
        "r = x\nfor _ in range(3):\n    r = r.unsqueeze(0)",
        "r = x\nfor d in x.shape:\n    r = r + torch.zeros(d, 1, 1)[0]",
        "outs = []\nfor t in x:\n    outs.append(t @ n)\nr = torch.stack(outs)",
        "if x.shape[0] > 1:\n    r = x.sum(0)\nelse:\n    r = x",
        "if x.ndim == 2:\n    r = x\nelif x.ndim == 3:\n    r = x[0]\nelse:\n    r = x",
        "r = x if x.size(1) % 2 == 0 else x[:, :-1]", "r = x\nwhile r.ndim > 1:\n    r = r.sum(0)",
        (
            "r = x\nfor j in range(10):\n    if j == 2:\n        break\n    if j == 0:\n        continue\n"
            "    r = r[None]"
        ),
        "for j, t in enumerate(x.unbind(1)):\n    r = t[..., j]", "for a, w in zip(x, y):\n    r = a @ w.T",
        "r = torch.stack(tuple(t.mean() for t in x))", "assert x.shape[0] == y.shape[0], 'batch'\nr = x + y",
        "assert x.shape == (2, 3, 4)\nr = x[0]", "if x.shape[0] == 2 and not x.ndim == 1 or False:\n    r = x.sum()",
        "if x.dtype == torch.float32 and x.is_floating_point():\n    r = x.double()",
        "r = None\nif r is None:\n    r = x", "r = x\nfor d in reversed(range(x.ndim)):\n    r = r.mean(d)",
        "while True:\n    r = x\n    break", "r = torch.zeros([d for d in x.shape if d != 3])",
        "if (d := x.shape[-1]) > 2:\n    r = torch.zeros(d)",
        "r = x\nfor j in range(2):\n    r = r @ r.mT\nelse:\n    r = r.sum(0)",
        "if 3 in x.shape:\n    r = x.sum(x.shape.index(3))",
    ],
    "functions": [
        "def f(a):\n    return a.sum(0)\nr = f(x)",
        "def f(a, w=2, *, d=-1):\n    return a.repeat(w, 1, 1).mean(d)\nr = f(x)\nt = f(x, 3, d=0)",
        "f = lambda a: a.T\nr = f(m)", "def f(a):\n    w = a[0]\n    return w, a\nr, t = f(x)",
        "def f(a, *rest):\n    return torch.cat([a, *rest])\nr = f(x, y, x)",
        "def f(a):\n    if a.ndim == 1:\n        return a\n    return f(a[0])\nr = f(x)",
        "def outer(a):\n    def inner(w):\n        return w + a\n    return inner(a[0])\nr = outer(x)",
        (
            "def attention(q, k, v):\n    w = (q @ k.transpose(-2, -1)) / math.sqrt(q.size(-1))\n"
            "    return w.softmax(-1) @ v\nr = attention(seq, seq, seq)"
        ),
        "def f(a, **kw):\n    return a.sum(**kw)\nr = f(x, dim=1, keepdim=True)",
        "def f(a, *, scale=1, **rest):\n    return a * scale if rest else a[0]\nr = f(x, **{'scale': 2, 'bias': None})",
        "def f(n0: int, a: torch.Tensor) -> torch.Tensor:\n    return a.new_zeros(n0)\nr = f(x.shape[1], x)",
    ],
    "dicts": [
        "d = {'n': x.shape[0], 'm': 3}\nr = torch.zeros(d['n'], d['m'])",
        "d = dict(a=x, b=y)\nr = torch.cat(list(d.values()))",
        "d = dict(zip(['a', 'b'], [x, y]))\nr = torch.stack([d[k] for k in d])",
        "d = dict({'a': x}.items())\nr = d['a'] + len(d)",
        "d = {'a': x}\nr = d.get('a') + d.get('q', 1)\nt = d.setdefault('z', m)",
        "batch = {'x': x, 'y': y}\ndel batch['y']\nr = batch.pop('x') * 2\nt = torch.zeros(len(batch), 2)",
        "d = {}\nd['a'] = {}\nd['a']['b'] = [x]\nd['a']['b'].append(y)\nr = torch.cat(d['a']['b'])",
        "d = {(0, 1): x, None: y, 2.5: m, True: n}\nr = d[0, 1] + d[None]\nt = d[1]",
        "a = {'k': 1}\na |= {'j': 2}\nw = a | {'z': 3}\nr = torch.zeros(len(w), len(a))",
        "base = {'dim': 1}\nr = x.sum(**{**base, 'keepdim': True})", "r = torch.zeros(2, **{'dtype': torch.float64})",
        "r = x\nfor name, times in sorted({'b': 2, 'a': 1}.items()):\n    r = r.repeat(times, 1, 1)",
        "d = {k: w.shape for k, w in {'x': x, 'm': m}.items() if w.ndim > 2}\nr = torch.zeros(d['x'])",
        "act = {'relu': F.relu, 'gelu': F.gelu}\nr = act['gelu'](x)",
        "r = {torch.float32: x, torch.int32: k}[y.dtype] * 2",
        (
            "feats = {'low': x}\nfeats.update(high=y, **{'mid': x + y})\n"
            "r = torch.cat([feats[k] for k in ('low', 'mid', 'high')], -1)"
        ),
        (
            "d = {'a': x, 'b': y}\nr = 'c' not in d and 'a' in d and m\nt = d.copy()\nt.clear()\n"
            "for w in d.values():\n    r = r + w"
        ),
        "def f(batch):\n    return {**batch, 'h': batch['x'] @ n}\nr = f({'x': x})['h']",
        "d = {'a': [2, 3]}\nd['a'] += [4]\nr = torch.zeros(d['a'])", "d = {2: x}\nd[2] = d[2] + 1\nd[2] *= 2\nr = d[2]",
    ],
    "builtins that call": [
        "r = torch.stack(list(map(lambda t: t.sum(0), [x, y])))", "a, w = map(torch.relu, (x, y))\nr = a + w",
        "r = torch.zeros(*map(int, (2.5, 3.5)))", "r = torch.stack(tuple(map(torch.add, (x, y), (y, x))))",
        "r = torch.cat([t for t in filter(lambda t: t.ndim > 2, [x, m, y])])",
        "r = torch.zeros(list(filter(None, [2, 0, 3])))", "a, w = sorted([x, m], key=lambda t: t.ndim)\nr = a + w",
        "r = max([m, x], key=lambda t: t.ndim)[0]", "r = torch.zeros(sorted(x.shape, key=lambda d: -d, reverse=True))",
        "r = min(x, y, key=len) + 1", "r = torch.cat([a * w for a, w in zip(x, y, strict=True)])",
        "r = torch.zeros(int(2.5), len(str(1234)))",
        "kind = 'Mean'\nr = x.mean(1) if kind.lower().startswith('me') else x.sum(1)", "r = x + len('a,b'.split(','))",
        "r = x if isinstance(nn.Linear(4, 2), (nn.Conv2d, nn.Linear)) and not isinstance(x, nn.Module) else y",
        "r = x * isinstance({}, dict) * isinstance('a', (int, str))",
    ],
    "containers of modules": [
        (
            "layers = nn.ModuleDict({'a': nn.Linear(4, 5), 'b': nn.Linear(5, 6)})\nr = x\n"
            "for name, layer in layers.items():\n    r = layer(r)"
        ),
        "layers = nn.ModuleDict(modules={'a': nn.Linear(4, 5)})\nr = layers['a'](x) if 'a' in layers else x",
        "layers = nn.ModuleDict([['a', nn.Linear(4, 5)]])\nr = layers.a(x)",
        (
            "layers = nn.ModuleDict()\nlayers['a'] = nn.Linear(4, 5)\nlayers.update({'b': nn.Linear(5, 2)})\n"
            "r = layers['b'](layers['a'](x))\ndel layers['a']\nt = torch.zeros(len(layers))\n"
            "w = layers.pop('b')(torch.zeros(5))"
        ),
        (
            "layers = nn.ModuleDict({str(j): nn.Linear(4, 4) for j in range(3)})\nr = x\nfor j in range(3):\n"
            "    r = layers[f'{j}'](r)"
        ),
        (
            "heads = nn.ModuleDict({'a': nn.Linear(4, 2), 'b': nn.Linear(4, 9)})\n"
            "out = {k: h(x) for k, h in heads.items()}\nr = out['b']"
        ),
        "net = nn.Sequential(*nn.ModuleDict({'a': nn.Linear(4, 5), 'b': nn.ReLU()}).values())\nr = net.eval()(x)",
        (
            "from collections import OrderedDict\n"
            "net = nn.Sequential(OrderedDict([('fc', nn.Linear(4, 5)), ('act', nn.ReLU())]))\nr = net.fc(x)\n"
            "t = net[:1](x)\nw = net(x)"
        ),
        (
            "layers = nn.ModuleList([nn.ReLU()])\nlayers.insert(0, nn.Linear(4, 5))\n"
            "layers[1] = nn.Linear(5, 2)\nr = layers[1](layers[0](x))"
        ),
        "net = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6))\ndel net[-1]\nnet.append(nn.Linear(5, 7))\nr = net(x)",
        "net = nn.Sequential(nn.Linear(4, 5), nn.ReLU()).requires_grad_(False)\nr = net(x)",
    ],
    "parameters of modules": [
        "lin = nn.Linear(4, 6)\nr = F.linear(x, lin.weight, lin.bias)", "r = x @ nn.Linear(4, 6).weight.T",
        "bn = nn.BatchNorm2d(3)\nr = bn.running_mean.view(1, -1, 1, 1) + img",
        "r = nn.LSTM(8, 6).weight_ih_l0.chunk(4)[0]",
        "lin = nn.Linear(4, 6, bias=False)\nr = x if lin.bias is None else y",
        (
            "lin = nn.Linear(4, 6)\nwith torch.no_grad():\n    lin.weight[:2] = 0\n    lin.bias.zero_()\n"
            "r = lin.weight.sum(0)"
        ),
        (
            "emb, head = nn.Embedding(9, 4), nn.Linear(4, 9, bias=False)\nhead.weight = emb.weight\n"
            "r = head(emb(ids)) + head.weight.sum(1)"
        ),
        "lin = nn.Linear(4, 6).half()\nr = lin.weight\nt = lin.float().weight",
        "net = nn.Sequential(nn.Linear(4, 5))\nr = net[0].weight @ v",
        "w = nn.init.xavier_uniform_(nn.Linear(4, 6).weight)\nr = w.size(0) * x",
        "conv = nn.Conv2d(3, 6, 3)\nr = conv.weight.flatten(1)", "n0 = x.shape[-1]\nr = nn.Linear(n0, 2 * n0).weight",
    ],
    "stacks of transformer layers": [
        "r = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, batch_first=True), num_layers=3)(seq)",
        (
            "layer = nn.TransformerDecoderLayer(d_model=8, nhead=2)\n"
            "r = nn.TransformerDecoder(layer, 4, norm=nn.LayerNorm(8))(seq, seq)"
        ),
        (
            "enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, activation=F.gelu), 2).eval()\n"
            "r = enc(seq.transpose(0, 1))"
        ),
        (
            "mask = nn.Transformer.generate_square_subsequent_mask(5)\n"
            "enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, batch_first=True), 1)\n"
            "r = enc(seq, mask=mask)"
        ),
    ],
    "dtypes and devices": [
        "r = x.to(torch.float16)", "r = x.long()", "r = x.half().float()", "r = x.to('cpu')", "r = x.to(y.dtype)",
        "r = x.to(k)", "r = x.type(torch.int64)", "r = torch.zeros(3, device=x.device)",
        "r = torch.arange(x.size(1), device=x.device, dtype=torch.long)", "r = (x > 0).sum(-1)",
        "r = ids.float().mean()", "r = c.abs()", "r = torch.view_as_real(c)", "r = x.bool().any()",
        "device = torch.device('cpu')\nr = torch.ones(2, device=device)",
        "r = x.cuda().cpu() if x.is_cuda else x.double()", "with torch.no_grad():\n    r = x * 2",
        "torch.manual_seed(0)\nr = torch.randn(2)", "r = x.detach().clone().requires_grad_(True)",
    ],
    "imports": [
        "import torch\nr = torch.sum(x)", "import torch.nn as nn\nr = nn.ReLU()(x)",
        "import torch.nn.functional as F\nr = F.relu(x)", "from torch import nn\nr = nn.Linear(4, 2)(x)",
        "from torch.nn import functional as fun\nr = fun.silu(x)", "import math\nr = x / math.sqrt(x.shape[-1])",
        "from torch import cat, zeros\nr = cat([x, zeros(2, 1, 4)], 1)",
        "from torch.nn.functional import softmax\nr = softmax(x, -1)", "import torch as T\nr = T.relu(x)",
        "from math import prod\nr = x.view(prod(x.shape))",
    ],
    "what is printed": [
        "sizes = list(x.shape)\nprint('dropped', sizes.pop(), end='')\nr = torch.zeros(sizes)",
        "print(f'{x.sum().item():.3f}', x.shape)\nr = x.mT", "print(*x.shape, sep=', ')\nr = x.flatten()",
        "print(size := x.size(0))\nr = torch.zeros(size)",
        "net = nn.Linear(4, 3)\nprint('loss', net(x).sum().item())\nr = net(x)",
    ],
    "losses with weights": [
        "r = nn.CrossEntropyLoss(weight=torch.ones(4))(x.flatten(0, 1), torch.zeros(6, dtype=torch.long))",
        "loss = nn.NLLLoss(torch.ones(4), reduction='none').to('cpu')\nr = loss(v[None], torch.zeros(1).long())",
        "r = nn.BCEWithLogitsLoss(pos_weight=v, reduction='none')(x, y)", "r = nn.BCELoss(v)(x.sigmoid(), y.sigmoid())",
    ],
    "classes of tensors": [
        "w = nn.Parameter(torch.Tensor(4, 5))\nr = x @ w", "r = torch.Tensor([1e10, 2.0])", "r = torch.Tensor(5)",
        "r = torch.LongTensor([[1, 2], [3, 4]])", "r = torch.FloatTensor(2, 3)", "r = torch.Tensor()",
    ],
    "masks of transformers, frames of sound": [
        (
            "mask = nn.Transformer.generate_square_subsequent_mask(2)\n"
            "r = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2)(seq.mT.transpose(0, 2).mT[:2], mask)"
        ),
        (
            "mask = nn.Transformer.generate_square_subsequent_mask(5)\nlayer = nn.TransformerDecoderLayer(8, 2, 16, "
            "batch_first=True)\nr = nn.TransformerDecoder(layer, 2)(seq, seq, tgt_mask=mask)"
        ),
        (
            "mask = nn.Transformer.generate_square_subsequent_mask(5)\n"
            "r = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)(seq, seq, tgt_mask=mask, src_mask=mask)"
        ),
        (
            "w = torch.hann_window(400)\nwave = torch.zeros(1, 1600)\n"
            "f = torch.stft(wave, 400, 160, window=w, return_complex=True)\nr = torch.istft(f, 400, 160, window=w)"
        ),
        (
            "w = torch.hann_window(64)\nf = torch.stft(torch.zeros(2, 640), 64, window=w, return_complex=True)\n"
            "r = torch.istft(f, 64, window=w, length=500)"
        ),
    ],
    "code cut out of a block": [
        "    h = x.flatten(1)\n    r = h[None]", "\th = x.flatten(1)\n\tif h.ndim > 1:\n\t\tr = h.T",
        "  # how the tail looks\nr = x.mT",
        "    for _ in range(2):\n        x = x[None]\n    r = x",
    ],
    "whole programs": [
        (
            "B, T, C = seq.shape\nqkv = nn.Linear(C, 3 * C)(seq)\na, w, u = qkv.split(C, dim=2)\n"
            "a = a.view(B, T, 2, C // 2).transpose(1, 2)\nw = w.view(B, T, 2, C // 2).transpose(1, 2)\n"
            "u = u.view(B, T, 2, C // 2).transpose(1, 2)\n"
            "att = (a @ w.transpose(-2, -1)) * (1.0 / math.sqrt(w.size(-1)))\n"
            "mask = torch.tril(torch.ones(T, T)).view(1, 1, T, T)\n"
            "att = att.masked_fill(mask[:, :, :T, :T] == 0, float('-inf'))\natt = F.softmax(att, dim=-1)\n"
            "r = (att @ u).transpose(1, 2).contiguous().view(B, T, C)"
        ),
        (
            "h = img.unfold(2, 4, 4).unfold(3, 4, 4)\nh = h.permute(0, 2, 3, 1, 4, 5).flatten(3)\n"
            "r = h.reshape(h.shape[0], -1, h.shape[-1])"
        ),
        (
            "d = q.shape[-1]\npos = torch.arange(q.shape[2])[:, None]\n"
            "freq = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))\nang = pos * freq\n"
            "cos, sin = ang.cos(), ang.sin()\na, w = q[..., 0::2], q[..., 1::2]\n"
            "r = torch.stack((a * cos - w * sin, a * sin + w * cos), dim=-1).flatten(-2)"
        ),
        "q = s\nk = q[None]\nr = k.expand(4, -1, -1)",
    ],
}  # fmt: skip

ALL: list[str] = [code for codes in SNIPPETS.values() for code in codes]
