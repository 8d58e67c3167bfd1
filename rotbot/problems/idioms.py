"""Idioms of real model code as templates with sampled sizes: attention, patches, rotary positions, losses and the like.

A template returns code, the arguments' shapes and the target. Literal sizes in the code are those people write there
(heads, kernels, hidden widths); the rest is read from shapes or follows from the arguments. The truth of an idiom has
two witnesses, the tracer and eager torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

ShapeList = list[int] | str
"""An argument: its sizes, or the text form with a dtype."""


@dataclass(frozen=True, slots=True)
class Idiom:
    """A program from a template: its code, its arguments and the name that is asked for."""

    name: str
    code: str
    args: dict[str, ShapeList]
    target: str


Template = Callable[[Random], tuple[str, dict[str, ShapeList], str]]

BATCHES = (1, 2, 3, 4, 5, 6, 8, 12, 16)
LENGTHS = (4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 50, 64)
HEADS = (1, 2, 4, 6, 8, 12)
HEAD_DIMS = (4, 8, 16, 32, 64)
CHANNELS = (1, 3, 4, 8, 12, 16, 24, 32)


def _int(rng: Random, sizes: tuple[int, ...]) -> int:
    return rng.choice(sizes)


def attention(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Multi-head attention on one projection."""
    b, t, h, k = _int(rng, BATCHES), _int(rng, LENGTHS), _int(rng, HEADS), _int(rng, HEAD_DIMS)
    c = h * k
    lines = [
        "qkv = F.linear(x, w)" if rng.random() < 0.5 else f"qkv = nn.Linear({c}, {3 * c})(x)",
        "q, k, v = qkv.chunk(3, dim=-1)",
        "b, t, c = q.shape",
        f"q = q.view(b, t, {h}, c // {h}).transpose(1, 2)",
        f"k = k.view(b, t, {h}, c // {h}).transpose(1, 2)",
        f"v = v.view(b, t, {h}, c // {h}).transpose(1, 2)",
        "scores = q @ k.transpose(-2, -1)" + ("" if rng.random() < 0.5 else f" / {k} ** 0.5"),
        "attn = scores.softmax(dim=-1)" if rng.random() < 0.5 else "attn = F.softmax(scores, dim=-1)",
        "y = attn @ v",
        "out = y.transpose(1, 2).reshape(b, t, c)",
    ]
    args: dict[str, ShapeList] = {"x": [b, t, c]}
    if "w)" in lines[0]:
        args["w"] = [3 * c, c]
    return "\n".join(lines), args, rng.choice(("out", "out", "attn", "y", "scores"))


def fused_attention(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Attention through ``scaled_dot_product_attention`` with separate projections."""
    b, t, s, h, k = (_int(rng, p) for p in (BATCHES, LENGTHS, LENGTHS, HEADS, HEAD_DIMS))
    c = h * k
    code = (
        f"q = nn.Linear({c}, {c})(x).unflatten(-1, ({h}, {k})).transpose(1, 2)\n"
        f"k, v = nn.Linear({c}, {2 * c})(memory).chunk(2, dim=-1)\n"
        f"k = k.unflatten(-1, ({h}, {k})).transpose(1, 2)\n"
        f"v = v.unflatten(-1, ({h}, {k})).transpose(1, 2)\n"
        "y = F.scaled_dot_product_attention(q, k, v)\n"
        "out = y.transpose(1, 2).flatten(2)"
    )
    return code, {"x": [b, t, c], "memory": [b, s, c]}, rng.choice(("out", "y"))


def grouped_queries(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Grouped-query attention: keys and values are repeated for the query heads of their group."""
    b, t, groups, each, k = (
        _int(rng, BATCHES),
        _int(rng, LENGTHS),
        _int(rng, (1, 2, 4)),
        _int(rng, (2, 3, 4)),
        _int(rng, HEAD_DIMS),
    )
    h = groups * each
    code = (
        f"q = x.view(x.size(0), x.size(1), {h}, {k}).transpose(1, 2)\n"
        f"k = keys.view(keys.size(0), -1, {groups}, {k}).transpose(1, 2)\n"
        + (
            f"k = k.repeat_interleave({each}, dim=1)\n"
            if rng.random() < 0.5
            else f"b, g, t, d = k.shape\nk = k[:, :, None].expand(b, g, {each}, t, d).reshape(b, g * {each}, t, d)\n"
        )
        + "att = torch.matmul(q, k.transpose(2, 3))\nprobs = att.softmax(-1)"
    )
    return code, {"x": [b, t, h * k], "keys": [b, t, groups * k]}, rng.choice(("probs", "att", "k"))


def window_partition(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Swin's windows."""
    b, w, i, j, c = (
        _int(rng, BATCHES),
        _int(rng, (2, 4, 7, 8)),
        _int(rng, (1, 2, 3, 4)),
        _int(rng, (1, 2, 4)),
        _int(rng, CHANNELS),
    )
    code = (
        "b, h, w, c = x.shape\n"
        f"x = x.view(b, h // {w}, {w}, w // {w}, {w}, c)\n"
        f"windows = x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, {w}, {w}, c)\n"
        f"tokens = windows.view(-1, {w} * {w}, c)"
    )
    return code, {"x": [b, i * w, j * w, c]}, rng.choice(("windows", "tokens", "tokens"))


def patches(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """A vision transformer's tokens, with a class token and positions."""
    b, p, n, d = _int(rng, BATCHES), _int(rng, (2, 4, 8, 14, 16)), _int(rng, (2, 3, 4, 7)), _int(rng, (16, 32, 48, 64))
    if rng.random() < 0.5:
        code = (
            f"x = nn.Conv2d(3, {d}, kernel_size={p}, stride={p})(img)\n"
            "x = x.flatten(2).transpose(1, 2)\n"
            "cls = cls_token.expand(x.shape[0], -1, -1)\n"
            "x = torch.cat((cls, x), dim=1)\n"
            "tokens = x + pos"
        )
        return code, {"img": [b, 3, n * p, n * p], "cls_token": [1, 1, d], "pos": [1, n * n + 1, d]}, "tokens"
    code = (
        "b, c, h, w = img.shape\n"
        f"x = img.reshape(b, c, h // {p}, {p}, w // {p}, {p})\n"
        "x = torch.einsum('nchpwq->nhwpqc', x)\n"
        f"patches = x.reshape(b, -1, {p} ** 2 * c)\n"
        f"emb = nn.Linear({3 * p * p}, {d})(patches)"
    )
    return code, {"img": [b, 3, n * p, n * p]}, rng.choice(("patches", "emb"))


def rotary(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Rotary position embedding in one of its two layouts."""
    b, t, h, k = _int(rng, BATCHES), _int(rng, LENGTHS), _int(rng, HEADS), _int(rng, HEAD_DIMS)
    if rng.random() < 0.5:
        code = (
            "half = x.shape[-1] // 2\n"
            "x1, x2 = x[..., :half], x[..., half:]\n"
            "rotated = torch.cat((-x2, x1), dim=-1)\n"
            "out = x * cos + rotated * sin"
        )
        return code, {"x": [b, h, t, k], "cos": [t, k], "sin": [t, k]}, rng.choice(("out", "rotated"))
    code = (
        "pairs = x.unflatten(-1, (-1, 2))\n"
        "even, odd = pairs[..., 0], pairs[..., 1]\n"
        "a = even * cos - odd * sin\n"
        "c = even * sin + odd * cos\n"
        "out = torch.stack((a, c), dim=-1).flatten(-2)"
    )
    return code, {"x": [b, h, t, k], "cos": [t, k // 2], "sin": [t, k // 2]}, rng.choice(("out", "pairs"))


def upsampling(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Sub-pixel convolution."""
    b, c, r, s = _int(rng, BATCHES), _int(rng, CHANNELS), _int(rng, (2, 3, 4)), _int(rng, (4, 7, 8, 12, 16))
    out = _int(rng, (1, 3, 4))
    code = (
        f"x = F.relu(nn.Conv2d({c}, 32, 3, padding=1)(x))\n"
        f"x = nn.Conv2d(32, {out} * {r} ** 2, 3, padding=1)(x)\n"
        f"y = {'F.pixel_shuffle(x, ' + str(r) + ')' if rng.random() < 0.6 else 'nn.PixelShuffle(' + str(r) + ')(x)'}"
    )
    return code, {"x": [b, c, s, s + _int(rng, (0, 0, 2, 4))]}, "y"


def im2col(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """A convolution as a matrix product over unfolded windows."""
    b, c, s, k, o = (
        _int(rng, BATCHES),
        _int(rng, (1, 2, 3, 4, 8)),
        _int(rng, (6, 8, 10, 12)),
        _int(rng, (2, 3, 5)),
        _int(rng, CHANNELS),
    )
    code = (
        f"cols = F.unfold(x, {k})\n"
        "out = w.view(w.size(0), -1) @ cols\n"
        f"y = out.view(x.size(0), -1, x.size(2) - {k - 1}, x.size(3) - {k - 1})"
    )
    return code, {"x": [b, c, s, s], "w": [o, c, k, k]}, rng.choice(("y", "out", "cols"))


def conv_stack(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """A small image classifier."""
    b, c, s = _int(rng, BATCHES), _int(rng, (1, 3)), _int(rng, (16, 28, 32, 40))
    one, two, classes = _int(rng, (6, 8, 16, 32)), _int(rng, (16, 32, 64)), _int(rng, (2, 10, 20, 100))
    body = (
        f"h = F.relu(nn.Conv2d({c}, {one}, {rng.choice((3, 5))}{rng.choice(('', ', padding=1'))})(x))\n"
        "h = F.max_pool2d(h, 2)\n"
        f"h = F.relu(nn.Conv2d({one}, {two}, 3, stride={rng.choice((1, 2))})(h))\n"
    )
    if rng.random() < 0.5:
        return (
            body + f"h = F.adaptive_avg_pool2d(h, 1).flatten(1)\nlogits = nn.Linear({two}, {classes})(h)",
            {"x": [b, c, s, s]},
            "logits",
        )
    return body + "flat = torch.flatten(h, 1)", {"x": [b, c, s, s]}, rng.choice(("flat", "h"))


def residual_block(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """A residual block with a strided shortcut."""
    b, c, m, s, stride = (
        _int(rng, BATCHES),
        _int(rng, (8, 16, 32)),
        _int(rng, (1, 2)),
        _int(rng, (8, 14, 16, 28)),
        _int(rng, (1, 2)),
    )
    o = c * m
    code = (
        f"y = nn.Conv2d({c}, {o}, 3, stride={stride}, padding=1, bias=False)(x)\n"
        f"y = F.relu(nn.BatchNorm2d({o})(y))\n"
        f"y = nn.Conv2d({o}, {o}, 3, padding=1, bias=False)(y)\n"
        f"shortcut = nn.Conv2d({c}, {o}, 1, stride={stride})(x)\n"
        "out = F.relu(y + shortcut)"
    )
    return code, {"x": [b, c, s, s]}, "out"


def feed_forward(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """A pre-norm feed-forward block, plain or gated."""
    b, t, c, m = _int(rng, BATCHES), _int(rng, LENGTHS), _int(rng, (16, 32, 48, 64)), _int(rng, (2, 3, 4))
    if rng.random() < 0.5:
        code = f"h = nn.LayerNorm({c})(x)\nh = F.gelu(nn.Linear({c}, {m * c})(h))\nout = x + nn.Linear({m * c}, {c})(h)"
    else:
        code = (
            f"h = F.layer_norm(x, ({c},))\ngate, up = nn.Linear({c}, {2 * m * c})(h).chunk(2, dim=-1)\n"
            f"h = F.silu(gate) * up\nout = x + nn.Linear({m * c}, {c}, bias=False)(h)"
        )
    return code, {"x": [b, t, c]}, rng.choice(("out", "h"))


def routing(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """A mixture of experts: the scores of each token's best experts."""
    b, t, c, e = _int(rng, BATCHES), _int(rng, LENGTHS), _int(rng, (16, 32, 64)), _int(rng, (4, 8, 16))
    k = rng.choice((1, 2, 4))
    code = (
        "tokens = x.view(-1, x.size(-1))\n"
        "logits = F.linear(tokens, gate)\n"
        f"weights, experts = logits.softmax(dim=-1).topk({k}, dim=-1)\n"
        "weights = weights / weights.sum(dim=-1, keepdim=True)\n"
        f"mask = F.one_hot(experts, num_classes={e}).permute(2, 1, 0)"
    )
    return code, {"x": [b, t, c], "gate": [e, c]}, rng.choice(("weights", "experts", "mask", "mask"))


def language_loss(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Next-token cross-entropy."""
    b, t, v, c = _int(rng, BATCHES), _int(rng, LENGTHS), _int(rng, (32, 50, 100, 256)), _int(rng, (16, 32))
    code = (
        "emb = F.embedding(ids, table)\n"
        "logits = emb @ table.T\n"
        "shifted = logits[:, :-1].reshape(-1, logits.size(-1))\n"
        "labels = ids[:, 1:].reshape(-1)\n"
        f"loss = F.cross_entropy(shifted, labels{rng.choice(('', ', reduction=' + repr('none')))})"
    )
    return code, {"ids": f"{b},{t}:int64", "table": [v, c]}, rng.choice(("loss", "shifted", "labels"))


def causal_mask(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Masked attention scores."""
    b, t, h = _int(rng, BATCHES), _int(rng, LENGTHS), _int(rng, HEADS)
    code = (
        "t = scores.size(-1)\n"
        "mask = torch.tril(torch.ones(t, t, dtype=torch.bool))\n"
        "scores = scores.masked_fill(~mask, float('-inf'))\n"
        "attn = torch.softmax(scores, dim=-1)"
    )
    return code, {"scores": [b, h, t, t]}, rng.choice(("attn", "mask"))


def contrastive(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Image-text similarity."""
    b, i, t, d = _int(rng, BATCHES), _int(rng, (32, 48, 64)), _int(rng, (16, 24, 32)), _int(rng, (8, 16, 32))
    code = (
        f"u = F.normalize(nn.Linear({i}, {d})(image), dim=-1)\n"
        f"v = F.normalize(nn.Linear({t}, {d})(text), dim=-1)\n"
        "logits = u @ v.T\n"
        "labels = torch.arange(logits.shape[0])\n"
        "loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2"
    )
    return code, {"image": [b, i], "text": [b, t]}, rng.choice(("logits", "loss"))


def channel_attention(rng: Random) -> tuple[str, dict[str, ShapeList], str]:
    """Squeeze and excitation."""
    b, c, s, r = _int(rng, BATCHES), _int(rng, (8, 16, 32)), _int(rng, (7, 8, 14)), _int(rng, (2, 4))
    code = (
        "w = x.mean(dim=(2, 3))\n"
        f"w = F.relu(nn.Linear({c}, {c // r})(w))\n"
        f"w = torch.sigmoid(nn.Linear({c // r}, {c})(w))\n"
        "y = x * w[:, :, None, None]"
    )
    return code, {"x": [b, c, s, s]}, rng.choice(("y", "w"))


TEMPLATES: tuple[Template, ...] = (
    attention, fused_attention, grouped_queries, window_partition, patches, rotary, upsampling, im2col, conv_stack,
    residual_block, feed_forward, routing, language_loss, causal_mask, contrastive, channel_attention,
)  # fmt: skip


def draw_idiom(rng: Random) -> Idiom:
    """A template with sampled sizes."""
    template = rng.choice(TEMPLATES)
    code, args, target = template(rng)
    return Idiom(template.__name__, code, args, target)
