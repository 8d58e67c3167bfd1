"""What a visitor may click: from one operation to real model code, one wrong program, one with named sizes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """``args`` are shapes as a visitor types them, by name."""

    title: str
    code: str
    args: tuple[tuple[str, str], ...]
    target: str


EXAMPLES = (
    Example("Expand", "q = s[None, :]\nf = q.expand(4, -1)", (("s", "16"),), "f"),
    Example("Transpose and flatten", "y = x.transpose(1, 2)\nz = y.flatten(1)", (("x", "2, 3, 5"),), "z"),
    Example("Broadcast", "d = a[:, None] - b[None]\ny = d.abs().sum(-1)", (("a", "6, 3"), ("b", "4, 3")), "y"),
    Example("Matrix product", "h = (x @ w + b).relu()", (("x", "8, 32"), ("w", "32, 10"), ("b", "10")), "h"),
    Example(
        "Join and split",
        "h = torch.cat([x, y], dim=1)\na, b = h.chunk(2, dim=-1)\nz = torch.stack([a, b])",
        (("x", "2, 6, 16"), ("y", "2, 10, 16")),
        "z",
    ),
    Example("Slices", "y = x[:, ::2, None]\nz = y[..., -3:]", (("x", "4, 9, 12"),), "z"),
    Example(
        "Convolution",
        "h = F.relu(F.conv2d(x, w, stride=2, padding=1))\np = F.max_pool2d(h, 2)\nout = p.flatten(1)",
        (("x", "4, 3, 32, 32"), ("w", "6, 3, 3, 3")),
        "out",
    ),
    Example(
        "Attention scores",
        "b, t, c = x.shape\nq = x.view(b, t, 4, c // 4).transpose(1, 2)\nk = q.transpose(-2, -1)\nscores = q @ k",
        (("x", "2, 10, 32"),),
        "scores",
    ),
    Example(
        "Self-attention",
        "b, t, c = x.shape\nqkv = nn.Linear(c, 3 * c)(x).view(b, t, 3, 8, c // 8)\n"
        "q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)\natt = (q @ k.mT / (c // 8) ** 0.5).softmax(-1)\n"
        "y = (att @ v).transpose(1, 2).flatten(2)",
        (("x", "2, 10, 64"),),
        "y",
    ),
    Example(
        "Image patches (ViT)",
        "b, c, h, w = img.shape\np = img.unfold(2, 16, 16).unfold(3, 16, 16)\n"
        "p = p.permute(0, 2, 3, 1, 4, 5).flatten(3)\ntokens = p.flatten(1, 2) @ proj",
        (("img", "2, 3, 64, 64"), ("proj", "768, 192")),
        "tokens",
    ),
    Example(
        "Rotary embedding",
        "a, b = x.chunk(2, dim=-1)\nrot = torch.cat([-b, a], dim=-1)\ny = x * cos + rot * sin",
        (("x", "2, 4, 10, 16"), ("cos", "10, 16"), ("sin", "10, 16")),
        "y",
    ),
    Example(
        "Grouped queries",
        "b, h, t, d = q.shape\ng = k.shape[1]\nq = q.view(b, g, h // g, t, d)\n"
        "scores = q @ k[:, :, None].mT\nout = scores.softmax(-1).flatten(1, 2)",
        (("q", "2, 8, 10, 16"), ("k", "2, 2, 10, 16")),
        "out",
    ),
    Example(
        "Wrong: the values lost a row",
        "b, t, c = x.shape\nq, k, v = nn.Linear(c, 3 * c)(x).chunk(3, dim=-1)\n"
        "s = q @ k.mT / c ** 0.5\ny = s.softmax(-1) @ v[:, 1:]",
        (("x", "2, 10, 64"),),
        "y",
    ),
    Example(
        "Named sizes",
        "b, t, c = x.shape\nq = x.view(b, t, 8, c // 8).transpose(1, 2)\nscores = q @ q.mT",
        (("x", "B, T, C"),),
        "scores",
    ),
)
