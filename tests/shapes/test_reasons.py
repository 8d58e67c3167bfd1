"""Wrong programs: where they end, at which operation, and why, in words asserted exactly."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rotbot
from rotbot.shapes import reasons_layers, reasons_picking, reasons_products, reasons_shaping
from rotbot.shapes.metadata import ModuleSpec, TensorMeta
from rotbot.shapes.reasons import explain, tidy
from rotbot.shapes.source import free_names
from rotbot.shapes.text import render_shape
from tests.shapes import eager
from tests.shapes.snippets import ARGS

# The code, the step and line it ends at, the operation, its inputs' shapes, and the reason.
WRONG: list[tuple[str, int, int, str, str, str]] = [
    ("r = x @ s", 0, 1, "matmul", "[2, 3, 4], [6, 6]", "inner dimensions 4 and 6 differ"),
    ("r = x @ x", 0, 1, "matmul", "[2, 3, 4], [2, 3, 4]", "inner dimensions 4 and 3 differ"),
    ("r = v @ x[0, 0, 0]", 3, 1, "matmul", "[4], []", "expected at least 1 dimension, got 0"),
    ("r = m.mm(x)", 0, 1, "mm", "[3, 4], [2, 3, 4]", "expected 2 dimensions, got 3"),
    ("r = m.mm(m)", 0, 1, "mm", "[3, 4], [3, 4]", "inner dimensions 4 and 3 differ"),
    ("r = torch.bmm(x, x)", 0, 1, "bmm", "[2, 3, 4], [2, 3, 4]", "inner dimensions 4 and 3 differ"),
    ("r = torch.bmm(b, x)", 0, 1, "bmm", "[2, 4, 5], [2, 3, 4]", "inner dimensions 5 and 3 differ"),
    ("r = torch.bmm(b, torch.zeros(3, 5, 2))", 1, 1, "bmm", "[2, 4, 5], [3, 5, 2]", "batch sizes 2 and 3 differ"),
    (
        "r = torch.matmul(torch.zeros(2, 3, 4), torch.zeros(3, 4, 5))",
        2, 1, "matmul", "[2, 3, 4], [3, 4, 5]",
        "sizes 2 and 3 do not broadcast at dim -3",
    ),
    ("r = m.mv(i.float())", 1, 1, "mv", "[3, 4], [3]", "inner dimensions 4 and 3 differ"),
    ("r = torch.dot(v, v[:3])", 1, 1, "dot", "[4], [3]", "sizes 4 and 3 differ"),
    ("r = torch.outer(m, v)", 0, 1, "outer", "[3, 4], [4]", "expected 1 dimension, got 2"),
    ("r = torch.addmm(v, m, n)", 0, 1, "addmm", "[4], [3, 4], [4, 5]", "size 4 at dim -1 cannot expand to 5"),
    (
        "r = torch.baddbmm(x, x, b[..., :2])",
        1, 1, "baddbmm", "[2, 3, 4], [2, 3, 4], [2, 4, 2]",
        "size 4 at dim -1 cannot expand to 2",
    ),
    ("r = x + i[:2]", 1, 1, "add", "[2, 3, 4], [2]", "sizes 4 and 2 do not broadcast at dim -1"),
    ("r = x * torch.zeros(2, 1, 5)", 1, 1, "mul", "[2, 3, 4], [2, 1, 5]", "sizes 4 and 5 do not broadcast at dim -1"),
    ("r = torch.maximum(x, s)", 0, 1, "maximum", "[2, 3, 4], [6, 6]", "sizes 4 and 6 do not broadcast at dim -1"),
    (
        "r = torch.where(flag, x, s)",
        0, 1, "where", "[2, 3, 4], [2, 3, 4], [6, 6]",
        "sizes 4 and 6 do not broadcast at dim -1",
    ),
    ("r = x == s", 0, 1, "eq", "[2, 3, 4], [6, 6]", "sizes 4 and 6 do not broadcast at dim -1"),
    (
        "r = torch.zeros(1, 3)\nr += torch.zeros(2, 3)",
        2, 2, "add_", "[1, 3], [2, 3]",
        "in place, [1, 3] cannot become [2, 3]",
    ),
    (
        "r = torch.zeros(3)\nr.add_(torch.zeros(2, 3))",
        2, 2, "add_", "[3], [2, 3]",
        "in place, [3] cannot become [2, 3]",
    ),
    ("r = x.clone()\nr *= s", 1, 2, "mul_", "[2, 3, 4], [6, 6]", "sizes 4 and 6 do not broadcast at dim -1"),
    ("r = k.clone()\nr += x", 1, 2, "add_", "[2, 3, 4], [2, 3, 4]", "a result of float32 cannot be stored in int32"),
    ("r = x.view(5, 5)", 0, 1, "view(5, 5)", "[2, 3, 4]", "24 elements do not fit [5, 5]"),
    ("r = x.view(5, -1)", 0, 1, "view(5, -1)", "[2, 3, 4]", "24 is not divisible by 5"),
    ("r = x.view(-1, -1)", 0, 1, "view(-1, -1)", "[2, 3, 4]", "only one size may be -1"),
    ("r = x.view(-2, 12)", 0, 1, "view(-2, 12)", "[2, 3, 4]", "size -2 is not allowed"),
    ("r = x.reshape(7)", 0, 1, "reshape(7)", "[2, 3, 4]", "24 elements do not fit [7]"),
    ("r = x.transpose(0, 1).view(-1)", 1, 1, "view(-1)", "[3, 2, 4]", "not contiguous here; use reshape"),
    ("r = x.transpose(0, 2).view(4, 6)", 1, 1, "view(4, 6)", "[4, 3, 2]", "not contiguous here; use reshape"),
    ("r = torch.cat([x, b], dim=1)", 0, 1, "cat(dim=1)", "[2, 3, 4], [2, 4, 5]", "sizes 4 and 5 differ at dim 2"),
    (
        "r = torch.cat([x, y, b], dim=0)",
        0, 1, "cat(dim=0)", "[2, 3, 4], [2, 3, 4], [2, 4, 5]",
        "sizes 3 and 4 differ at dim 1",
    ),
    ("r = torch.cat([x, m])", 0, 1, "cat", "[2, 3, 4], [3, 4]", "3 and 2 dimensions differ"),
    (
        "r = torch.cat([x, y], dim=3)",
        0, 1, "cat(dim=3)", "[2, 3, 4], [2, 3, 4]",
        "dim 3 is out of range for 3 dimensions",
    ),
    ("r = torch.cat([])", 0, 1, "cat([])", "none", "expected at least one tensor"),
    ("r = torch.stack([x, m])", 0, 1, "stack", "[2, 3, 4], [3, 4]", "shapes [2, 3, 4] and [3, 4] differ"),
    (
        "r = torch.stack([x, y], dim=5)",
        0, 1, "stack(dim=5)", "[2, 3, 4], [2, 3, 4]",
        "dim 5 is out of range for 3 dimensions",
    ),
    ("r = torch.hstack([m, n])", 0, 1, "hstack", "[3, 4], [4, 5]", "sizes 3 and 4 differ at dim 0"),
    ("r = torch.vstack([m, n])", 0, 1, "vstack", "[3, 4], [4, 5]", "sizes 4 and 5 differ at dim 1"),
    ("r = torch.column_stack([m, n])", 0, 1, "column_stack", "[3, 4], [4, 5]", "sizes 3 and 4 differ at dim 0"),
    ("r = x.expand(2, 3, 5)", 0, 1, "expand(2, 3, 5)", "[2, 3, 4]", "size 4 at dim -1 cannot expand to 5"),
    ("r = x.expand(3, 4)", 0, 1, "expand(3, 4)", "[2, 3, 4]", "2 sizes for 3 dimensions"),
    (
        "r = x.expand(-1, 2, 3, 4)",
        0, 1, "expand(-1, 2, 3, 4)", "[2, 3, 4]",
        "-1 is not allowed for a new leading dimension",
    ),
    (
        "r = torch.broadcast_to(m, (3, 5))",
        0, 1, "broadcast_to((3, 5))", "[3, 4]",
        "size 4 at dim -1 cannot expand to 5",
    ),
    ("r = x.permute(0, 1)", 0, 1, "permute(0, 1)", "[2, 3, 4]", "2 dims given for 3 dimensions"),
    ("r = x.permute(0, 1, 3)", 0, 1, "permute(0, 1, 3)", "[2, 3, 4]", "dim 3 is out of range for 3 dimensions"),
    ("r = x.permute(0, 1, 1)", 0, 1, "permute(0, 1, 1)", "[2, 3, 4]", "dim 1 appears twice"),
    ("r = x.transpose(0, 3)", 0, 1, "transpose(0, 3)", "[2, 3, 4]", "dim 3 is out of range for 3 dimensions"),
    ("r = x.t()", 0, 1, "t", "[2, 3, 4]", "expected at most 2 dimensions, got 3"),
    ("r = x.squeeze(3)", 0, 1, "squeeze(3)", "[2, 3, 4]", "dim 3 is out of range for 3 dimensions"),
    ("r = x.unsqueeze(4)", 0, 1, "unsqueeze(4)", "[2, 3, 4]", "dim 4 is out of range for 3 dimensions"),
    ("r = x.sum(dim=3)", 0, 1, "sum(dim=3)", "[2, 3, 4]", "dim 3 is out of range for 3 dimensions"),
    ("r = x.softmax(-4)", 0, 1, "softmax(-4)", "[2, 3, 4]", "dim -4 is out of range for 3 dimensions"),
    ("r = x.mean((0, 0))", 0, 1, "mean((0, 0))", "[2, 3, 4]", "dim 0 appears twice"),
    ("r = x.flatten(2, 1)", 0, 1, "flatten(2, 1)", "[2, 3, 4]", "start dim 2 comes after end dim 1"),
    ("r = x.flatten(0, 3)", 0, 1, "flatten(0, 3)", "[2, 3, 4]", "dim 3 is out of range for 3 dimensions"),
    ("r = x.split([1, 2], dim=-1)", 0, 1, "split([1, 2], dim=-1)", "[2, 3, 4]", "sizes [1, 2] sum to 3, not 4"),
    ("r = x.split(0)", 0, 1, "split(0)", "[2, 3, 4]", "the split size must be positive, got 0"),
    ("r = x.split(2, dim=3)", 0, 1, "split(2, dim=3)", "[2, 3, 4]", "dim 3 is out of range for 3 dimensions"),
    ("r = x.chunk(0)", 0, 1, "chunk(0)", "[2, 3, 4]", "the number of chunks must be positive, got 0"),
    ("r = x.unbind(3)", 0, 1, "unbind(3)", "[2, 3, 4]", "dim 3 is out of range for 3 dimensions"),
    ("r = m.hsplit(3)", 0, 1, "hsplit(3)", "[3, 4]", "size 4 at dim 1 is not divisible by 3"),
    ("r = x.unflatten(2, (3, 2))", 0, 1, "unflatten(2, (3, 2))", "[2, 3, 4]", "size 4 at dim 2 does not fit [3, 2]"),
    ("r = x.unflatten(2, (3, -1))", 0, 1, "unflatten(2, (3, -1))", "[2, 3, 4]", "4 is not divisible by 3"),
    ("r = nn.Conv2d(4, 6, 3)(img)", 0, 1, "Conv2d(4, 6, 3)", "[2, 3, 8, 8]", "expected 4 input channels, got 3"),
    (
        "r = nn.Conv2d(3, 6, 9)(img)",
        0, 1, "Conv2d(3, 6, 9)", "[2, 3, 8, 8]",
        "a kernel of 9 does not fit size 8 at dim -2",
    ),
    ("r = nn.Conv2d(3, 6, 3)(m)", 0, 1, "Conv2d(3, 6, 3)", "[3, 4]", "expected 3 or 4 dimensions, got 2"),
    (
        "r = F.conv2d(img, torch.zeros(6, 4, 3, 3))",
        1, 1, "conv2d", "[2, 3, 8, 8], [6, 4, 3, 3]",
        "expected 4 input channels, got 3",
    ),
    (
        "r = F.conv1d(x, torch.zeros(5, 4, 2))",
        1, 1, "conv1d", "[2, 3, 4], [5, 4, 2]",
        "expected 4 input channels, got 3",
    ),
    (
        "r = F.conv1d(x, torch.zeros(5, 3, 7), padding=1)",
        1, 1, "conv1d(padding=1)", "[2, 3, 4], [5, 3, 7]",
        "a kernel of 7 does not fit size 6 at dim -1",
    ),
    (
        "r = nn.Conv3d(3, 6, 3)(torch.zeros(2, 4, 8, 8, 8))",
        1, 1, "Conv3d(3, 6, 3)", "[2, 4, 8, 8, 8]",
        "expected 3 input channels, got 4",
    ),
    (
        "r = nn.ConvTranspose2d(4, 6, 3)(img)",
        0, 1, "ConvTranspose2d(4, 6, 3)", "[2, 3, 8, 8]",
        "expected 4 input channels, got 3",
    ),
    ("r = nn.Linear(5, 7)(x)", 0, 1, "Linear(5, 7)", "[2, 3, 4]", "expected 5 features at dim -1, got 4"),
    ("r = F.linear(x, n)", 0, 1, "linear", "[2, 3, 4], [4, 5]", "expected 5 features at dim -1, got 4"),
    ("r = nn.Linear(4, 7)(k)", 0, 1, "Linear(4, 7)", "[2, 3, 4]", "expected a floating point input, got int32"),
    ("r = nn.MaxPool2d(9)(img)", 0, 1, "MaxPool2d(9)", "[2, 3, 8, 8]", "a kernel of 9 does not fit size 8 at dim -2"),
    (
        "r = F.avg_pool2d(img, 3, padding=2)",
        0, 1, "avg_pool2d(3, padding=2)", "[2, 3, 8, 8]",
        "padding 2 is more than half of the kernel size 3",
    ),
    (
        "r = torch.einsum('ij,jk->ik', m, m)",
        0, 1, "einsum('ij,jk->ik', _, _)", "[3, 4], [3, 4]",
        "subscript 'j' has sizes 4 and 3",
    ),
    ("r = torch.einsum('ij,jk->ik', m)", 0, 1, "einsum('ij,jk->ik', _)", "[3, 4]", "2 subscripts for 1 operand"),
    (
        "r = torch.einsum('ijk,k->ij', m, v)",
        0, 1, "einsum('ijk,k->ij', _, _)", "[3, 4], [4]",
        "subscript 'ijk' names 3 dimensions, the operand has 2",
    ),
    ("r = torch.einsum('ij->ik', m)", 0, 1, "einsum('ij->ik', _)", "[3, 4]", "output subscript 'k' is in no input"),
    ("r = x[2]", 0, 1, "select index 2 of dim 0", "[2, 3, 4]", "index 2 is out of range for dim 0 of size 2"),
    ("r = x[0, 0, 0, 0]", 0, 1, "index", "[2, 3, 4]", "too many indices: 4 for 3 dimensions"),
    ("r = x[:, 3]", 0, 1, "select index 3 of dim 1", "[2, 3, 4]", "index 3 is out of range for dim 1 of size 3"),
    ("r = x[:, [0, 3]]", 0, 1, "index dim 1 with [2]", "[2, 3, 4]", "index 3 is out of range for dim 1 of size 3"),
    ("r = x[::0]", 0, 1, "slice dim 0", "[2, 3, 4]", "slice step must be positive, got 0"),
    (
        "r = x[x]",
        0, 1, "index dim 0 with [2, 3, 4]", "[2, 3, 4], [2, 3, 4]",
        "an index tensor is needed, got float32: give it as '2,3,4:int64'",
    ),
    ("r = x[[0, 1], [0, 1, 2]]", 0, 1, "index dims 0, 1 with [2], [3]", "[2, 3, 4]", "index shapes [2] and [3] differ"),
    ("r = x.select(1, 3)", 0, 1, "select(1, 3)", "[2, 3, 4]", "index 3 is out of range for dim 1 of size 3"),
    ("r = x.narrow(1, 2, 2)", 0, 1, "narrow(1, 2, 2)", "[2, 3, 4]", "start 2 plus length 2 exceeds size 3 at dim 1"),
    (
        "r = torch.gather(x, 1, x)",
        0, 1, "gather(1, _)", "[2, 3, 4], [2, 3, 4]",
        "an index tensor is needed, got float32: give it as '2,3,4:int64'",
    ),
    ("r = torch.gather(x, 1, i)", 0, 1, "gather(1, _)", "[2, 3, 4], [3]", "the index has 1 dimension, the input 3"),
    (
        "r = torch.gather(x, 1, torch.zeros(3, 1, 4, dtype=torch.long))",
        1, 1, "gather(1, _)", "[2, 3, 4], [3, 1, 4]",
        "index size 3 exceeds size 2 at dim 0",
    ),
    (
        "r = torch.index_select(x, 0, v)",
        0, 1, "index_select(0, _)", "[2, 3, 4], [4]",
        "an index tensor is needed, got float32: give it as '4:int64'",
    ),
    (
        "r = torch.index_select(x, 0, ids)",
        0, 1, "index_select(0, _)", "[2, 3, 4], [2, 5]",
        "expected an index of 1 dimension, got 2",
    ),
    (
        "r = nn.Embedding(10, 4)(m)",
        0, 1, "Embedding(10, 4)", "[3, 4]",
        "an index tensor is needed, got float32: give it as '3,4:int64'",
    ),
    (
        "r = F.embedding(m, n)",
        0, 1, "embedding", "[3, 4], [4, 5]",
        "an index tensor is needed, got float32: give it as '3,4:int64'",
    ),
    (
        "r = F.one_hot(m, 5)",
        0, 1, "one_hot(5)", "[3, 4]",
        "an index tensor is needed, got float32: give it as '3,4:int64'",
    ),
    ("r = F.pad(x, (1, 2, 3))", 0, 1, "pad((1, 2, 3))", "[2, 3, 4]", "pad takes pairs, got 3 values"),
    ("r = F.pad(m, (1, 1, 1, 1, 1, 1))", 0, 1, "pad((1, 1, 1, 1, 1, 1))", "[3, 4]", "3 pairs for 2 dimensions"),
    (
        "r = F.pad(x, (-3, -3))",
        0, 1, "pad((-3, -3))", "[2, 3, 4]",
        "padding (-3, -3) removes more than size 4 at dim -1",
    ),
    ("r = x.repeat(2, 2)", 0, 1, "repeat(2, 2)", "[2, 3, 4]", "2 repeats for 3 dimensions"),
    ("r = nn.LayerNorm(5)(x)", 0, 1, "LayerNorm(5)", "[2, 3, 4]", "normalized shape [5] does not match trailing [4]"),
    (
        "r = F.layer_norm(x, (3, 5))",
        0, 1, "layer_norm((3, 5))", "[2, 3, 4]",
        "normalized shape [3, 5] does not match trailing [3, 4]",
    ),
    ("r = nn.BatchNorm2d(4)(img)", 0, 1, "BatchNorm2d(4)", "[2, 3, 8, 8]", "expected 4 channels at dim 1, got 3"),
    ("r = nn.BatchNorm2d(3)(x)", 0, 1, "BatchNorm2d(3)", "[2, 3, 4]", "expected 4 dimensions, got 3"),
    (
        "r = nn.GroupNorm(2, 3)(img)",
        0, 1, "GroupNorm(2, 3)", "none",
        "num_channels (3) must be divisible by num_groups (2)",
    ),
    ("r = F.group_norm(img, 2)", 0, 1, "group_norm(2)", "[2, 3, 8, 8]", "3 channels are not divisible by 2 groups"),
    ("r = x.topk(5)", 0, 1, "topk(5)", "[2, 3, 4]", "k must be from 0 to 4, got 5"),
    ("r = x.unfold(2, 5, 1)", 0, 1, "unfold(2, 5, 1)", "[2, 3, 4]", "a window of 5 does not fit size 4 at dim 2"),
    ("r = torch.linalg.inv(m)", 0, 1, "inv", "[3, 4]", "expected a square matrix, got [3, 4]"),
    ("r = torch.linalg.solve(s, m)", 0, 1, "solve", "[6, 6], [3, 4]", "[6, 6] and [3, 4] do not make an equation"),
    ("r = torch.linalg.cholesky(v)", 0, 1, "cholesky", "[4]", "expected at least 2 dimensions, got 1"),
    ("r = nn.LSTM(6, 4)(seq)", 0, 1, "LSTM(6, 4)", "[2, 5, 8]", "expected input size 6, got 8"),
    (
        "r = nn.MultiheadAttention(6, 2)(seq, seq, seq)",
        0, 1, "MultiheadAttention(6, 2)", "[2, 5, 8], [2, 5, 8], [2, 5, 8]",
        "expected embedding size 6, got 8",
    ),
    (
        "r = nn.MultiheadAttention(8, 3)(seq, seq, seq)",
        0, 1, "MultiheadAttention(8, 3)", "none",
        "embed_dim must be divisible by num_heads",
    ),
    (
        "r = F.scaled_dot_product_attention(q, q, x)",
        0, 1, "scaled_dot_product_attention", "[2, 4, 10, 16], [2, 4, 10, 16], [2, 3, 4]",
        "key and value sizes 10 and 3 differ at dim -2",
    ),
    (
        "r = F.scaled_dot_product_attention(q, q[..., :8], q)",
        1, 1, "scaled_dot_product_attention", "[2, 4, 10, 16], [2, 4, 10, 8], [2, 4, 10, 16]",
        "query and key sizes 16 and 8 differ at dim -1",
    ),
    (
        "r = F.cross_entropy(m, v)",
        0, 1, "cross_entropy", "[3, 4], [4]",
        "an index tensor is needed, got float32: give it as '4:int64'",
    ),
    ("r = F.cross_entropy(m, i[:2])", 1, 1, "cross_entropy", "[3, 4], [2]", "expected a target of [3], got [2]"),
    ("r = F.glu(x[..., :3])", 1, 1, "glu", "[2, 3, 3]", "size 3 at dim -1 is not divisible by 2"),
    ("r = F.pixel_shuffle(img, 2)", 0, 1, "pixel_shuffle(2)", "[2, 3, 8, 8]", "3 channels are not divisible by 4"),
    ("r = x.masked_fill(k, 0.0)", 0, 1, "masked_fill(0.0)", "[2, 3, 4], [2, 3, 4]", "the mask must be bool, got int32"),
    ("r = x.transpose(0)", 0, 1, "transpose(0)", "[2, 3, 4]", "missing argument dim1"),
    ("r = x.view()", 0, 1, "view", "[2, 3, 4]", "missing arguments"),
    ("r = torch.relu(x, 3)", 0, 1, "relu(3)", "[2, 3, 4]", "takes 1 argument, got 2"),
    ("r = torch.relu(x, foo=2)", 0, 1, "relu(foo=2)", "[2, 3, 4]", "unexpected argument foo"),
    ("r = nn.Linear(4)(x)", 0, 1, "Linear(4)", "none", "missing argument out_features"),
    ("r = nn.Linear(4, 5, foo=1)(x)", 0, 1, "Linear(4, 5, foo=1)", "none", "unexpected argument foo"),
    ("r = nn.Linear(4, 5)(x, y)", 0, 1, "Linear(4, 5)", "[2, 3, 4], [2, 3, 4]", "takes 1 argument, got 2"),
    ("r = nn.Linear(4, 5)()", 0, 1, "Linear(4, 5)", "none", "missing argument input"),
    ("r = x.sum('a')", 0, 1, "sum('a')", "[2, 3, 4]", "sum does not take arguments (str)"),
    (
        "r = torch.cat(x, y)",
        0, 1, "cat", "[2, 3, 4], [2, 3, 4]",
        "argument tensors must be tuple of Tensors, got Tensor",
    ),
    ("r = x.max(0)\nr = r.sort()", 1, 2, "sort", "[3, 4], [3, 4]", "tuple has no attribute 'sort'"),
    ("r = x.foo()", 0, 1, "foo", "[2, 3, 4]", "a tensor has no attribute 'foo'"),
    ("r = x.reshape('a')", 0, 1, "reshape('a')", "[2, 3, 4]", "argument shape must be tuple of ints, got str"),
    ("r = x.clone()\nr[0] = m.T", 2, 2, "setitem [0]", "[2, 3, 4], [4, 3]", "[4, 3] does not fit the item's [3, 4]"),
    (
        "r = x.clone()\nr[:, 5] = 0",
        1, 2, "setitem [:, 5] = 0", "[2, 3, 4]",
        "index 5 is out of range for dim 1 of size 3",
    ),
    ("a, w, u = x", 1, 1, "unpack into 3 names", "[3, 4], [3, 4]", "cannot unpack 2 values into 3 names"),
    (
        "a, w, u = x.chunk(2)",
        1, 1, "unpack into 3 names", "[1, 3, 4], [1, 3, 4]",
        "cannot unpack 2 values into 3 names",
    ),
    ("r = x + [1, 2]", 0, 1, "add([1, 2])", "[2, 3, 4]", "unsupported operand type(s) for +: 'Tensor' and 'list'"),
    ("r = x + None", 0, 1, "add(None)", "[2, 3, 4]", "unsupported operand type(s) for +: 'Tensor' and 'NoneType'"),
    ("r = torch.cdist(x, b)", 0, 1, "cdist", "[2, 3, 4], [2, 4, 5]", "sizes 4 and 5 differ at dim -1"),
    (
        "r = torch.tensordot(m, m, dims=1)",
        0, 1, "tensordot(dims=1)", "[3, 4], [3, 4]",
        "contracted sizes 4 and 3 differ",
    ),
    ("r = torch.kron(m, 3)", 0, 1, "kron(3)", "[3, 4]", "argument other must be Tensor, got int"),
    ("r = x.roll((1, 2), (0,))", 0, 1, "roll((1, 2), (0,))", "[2, 3, 4]", "2 shifts for 1 dim"),
    ("r = x.movedim((0, 1), (1,))", 0, 1, "movedim((0, 1), (1,))", "[2, 3, 4]", "2 source dims for 1 destination dim"),
    ("r = x.diagonal(dim1=1, dim2=1)", 0, 1, "diagonal(dim1=1, dim2=1)", "[2, 3, 4]", "dims 1 and 1 are the same"),
    ("r = v.tril()", 0, 1, "tril", "[4]", "expected at least 2 dimensions, got 1"),
    (
        "r = torch.tensor([[1, 2], [3]])",
        0, 1, "tensor([[1, 2], [3]])", "none",
        "expected sequence of length 2 at dim 1 (got 1)",
    ),
    (
        "r = (x > 0) - (y > 0)",
        2, 1, "sub", "[2, 3, 4], [2, 3, 4]",
        "Subtraction, the `-` operator, with two bool tensors is not supported",
    ),
    (
        "r = ~x",
        0, 1, "bitwise_not", "[2, 3, 4]",
        "~ (operator.invert) is only implemented on integer and Boolean-type tensors",
    ),
    ("r = x & y", 0, 1, "bitwise_and", "[2, 3, 4], [2, 3, 4]", "bitwise_and does not take float32"),
    ("r = m @ n.long()", 1, 1, "matmul", "[3, 4], [4, 5]", "dtypes float32 and int64 differ"),
    ("r = v.mT", 0, 1, "mT", "[4]", "expected at least 2 dimensions, got 1"),
    ("r = torch.fft.fft(x, dim=4)", 0, 1, "fft(dim=4)", "[2, 3, 4]", "dim 4 is out of range for 3 dimensions"),
    (
        "r = torch.take_along_dim(x, v, 0)",
        0, 1, "take_along_dim(0)", "[2, 3, 4], [4]",
        "an index tensor is needed, got float32: give it as '4:int64'",
    ),
    ("r = nn.Flatten()(v)", 0, 1, "Flatten()", "[4]", "dim 1 is out of range for 1 dimension"),
    (
        "r = nn.Conv2d(3, 4, 3, groups=2)(img)",
        0, 1, "Conv2d(3, 4, 3, groups=2)", "none",
        "in_channels must be divisible by groups",
    ),
    (
        "r = nn.Conv2d(3, 6, 3, stride=0)(img)",
        0, 1, "Conv2d(3, 6, 3, stride=0)", "[2, 3, 8, 8]",
        "the stride must be positive, got 0",
    ),
    ("x[v > 0] = 0\nr = x", 1, 1, "setitem [_] = 0", "[2, 3, 4], [4]", "the mask [4] does not fit [2]"),
    ("r = x.dim(2)", 0, 1, "dim", "[2, 3, 4]", "takes no arguments, got 1"),
    ("def f(a):\n    return a\nr = f(x, a=x)", 0, 3, "f()", "none", "got multiple values for argument 'a'"),
    ("r = torch.finfo(torch.int64).max + x", 0, 1, "finfo", "none", "finfo does not take int64"),
    ("r = x.shape[3]", 0, 1, "index", "none", "index 3 is out of range for 3 items"),
    ("r = x.size(3)", 0, 1, "size(3)", "[2, 3, 4]", "dim 3 is out of range for a tensor with 3 dimensions"),
    ("assert x.shape[0] == 3", 0, 1, "assert x.shape[0] == 3", "[2, 3, 4]", "the assertion is false"),
    (
        "assert x.shape[0] == 3, f'got {x.shape[0]}'", 0, 1, "assert x.shape[0] == 3", "[2, 3, 4]",
        "the assertion is false: got 2",
    ),
    ("print(nn.Linear(9, 4)(x).shape)\nr = x.sum()", 0, 1, "Linear(9, 4)", "[2, 3, 4]",
     "expected 9 features at dim -1, got 4"),
    ("r = nn.Linear(4, 3)(x.double())", 1, 1, "Linear(4, 3)", "[2, 3, 4]", "dtypes float64 and float32 differ"),
    ("r = x.long() // 0", 1, 1, "floor_divide(0)", "[2, 3, 4]", "integers are divided by zero"),
    ("    h = x.mT\n    r = h @ h", 1, 2, "matmul", "[2, 4, 3], [2, 4, 3]", "inner dimensions 3 and 4 differ"),
    ("r = x.reshape(1.5)", 0, 1, "reshape(1.5)", "[2, 3, 4]", "argument shape must be tuple of ints, got float"),
    ("r = x.softmax()", 0, 1, "softmax", "[2, 3, 4]", "missing argument dim"),
    ("r = torch.softmax(x)", 0, 1, "softmax", "[2, 3, 4]", "missing argument dim"),
    ("r = torch.stack(m, n)", 0, 1, "stack", "[3, 4], [4, 5]", "argument tensors must be tuple of Tensors, got Tensor"),
    ("r = F.mse_loss(x, s)", 0, 1, "mse_loss", "[2, 3, 4], [6, 6]", "sizes 4 and 6 do not broadcast at dim -1"),
    (
        "r = nn.Bilinear(3, 4, 5)(m, n)",
        0, 1, "Bilinear(3, 4, 5)", "[3, 4], [4, 5]",
        "expected 3 features at dim -1, got 4",
    ),
    ("r = list(enumerate(x, y=3))", 1, 1, "enumerate()", "none", "enumerate() got an unexpected keyword argument 'y'"),
    ("r = torch.chain_matmul(m, m)", 0, 1, "chain_matmul", "[3, 4], [3, 4]", "inner dimensions 4 and 3 differ"),
    ("r = F.max_pool2d(img, 9)", 0, 1, "max_pool2d(9)", "[2, 3, 8, 8]", "a kernel of 9 does not fit size 8 at dim -2"),
    ("r = torch.bmm(m, n)", 0, 1, "bmm", "[3, 4], [4, 5]", "expected 3 dimensions, got 2"),
    ("r = torch.conv2d(img, n)", 0, 1, "conv2d", "[2, 3, 8, 8], [4, 5]", "expected 4 dimensions, got 2"),
    (
        "r = x[:, [[0, 1], [2]]]",
        0, 1, "index dim 1 with [2, 2]", "[2, 3, 4]",
        "lists of different lengths cannot be an index: [2] and [1]",
    ),
    (
        "r = m[[[0], [1, 2]], 0]",
        1, 1, "index dim 0 with [2, 1]", "[3]",
        "lists of different lengths cannot be an index: [1] and [2]",
    ),
    (
        "r = nn.Parameter(torch.zeros(3).long())",
        2, 1, "Parameter", "[3]",
        "only floating-point and complex tensors can require gradients, got int64",
    ),
    (
        "r = k.requires_grad_()",
        0, 1, "requires_grad_", "[2, 3, 4]",
        "only floating-point and complex tensors can require gradients, got int32",
    ),
    (
        "r = nn.Linear(4, 2).to('gpu')(x)",
        0, 1, "device", "none",
        "unknown device 'gpu'",
    ),
    (
        "r = nn.Linear(4, 2).to(torch.int64)(x)",
        0, 1, "to", "none",
        "a module can be converted to floating-point and complex dtypes only, got int64",
    ),
    (
        "r = m.scatter_(1, torch.zeros(3, 4).long(), m.double())",
        3, 1, "scatter_(1, _, _)", "[3, 4], [3, 4], [3, 4]",
        "dtypes float32 and float64 differ",
    ),
    (
        "r = torch.zeros(5, 9).long().index_put_((torch.arange(5), torch.arange(5)), torch.zeros(5))",
        5, 1, "index_put_", "[5, 9], [5], [5], [5]",
        "dtypes int64 and float32 differ",
    ),
    (
        "r = m.index_put((torch.zeros(2),), v)",
        1, 1, "index_put", "[3, 4], [2], [4]",
        "an index tensor is needed, got float32: give it as '2:int64'",
    ),
    (
        "r = nn.Linear(4, 2, dtype=torch.float64)(x)",
        0, 1, "Linear(4, 2, dtype=torch.float64)", "[2, 3, 4]",
        "dtypes float32 and float64 differ",
    ),
    (
        "r = torch.eye(2, 3, 4)",
        0, 1, "eye(2, 3, 4)", "none",
        "eye does not take arguments (int, int, int)",
    ),
    (
        "r = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2), num_layer=2)(x)",
        0, 1, "TransformerEncoder(TransformerEncoderLayer(4, 2), num_layer=2)", "none",
        "unexpected argument num_layer",
    ),
    (
        "r = m.masked_scatter(m > 0, m.long())",
        2, 1, "masked_scatter", "[3, 4], [3, 4], [3, 4]",
        "dtypes float32 and int64 differ",
    ),
]  # fmt: skip


def args_of(code: str) -> dict[str, str]:
    return {name: ARGS[name] for name in free_names(code) if name in ARGS}


@pytest.mark.parametrize(("code", "step", "line", "op", "inputs", "reason"), WRONG)
def test_a_wrong_program_ends_where_and_why(code: str, step: int, line: int, op: str, inputs: str, reason: str) -> None:
    trace = rotbot.trace(code, args_of(code))
    assert trace.error is not None
    last = trace.steps[-1]
    assert (trace.error.step, trace.error.line, last.line) == (step, line, line)
    assert (last.op, ", ".join(map(render_shape, last.inputs)) or "none", last.reason) == (op, inputs, reason)
    assert (trace.error.reason, trace.final) == (reason, None)


def test_eager_torch_rejects_every_one_of_them() -> None:
    for code, *_ in WRONG:
        with pytest.raises((RuntimeError, TypeError, ValueError, IndexError, AssertionError, AttributeError)):
            eager.run(code, args_of(code))


def test_the_reasons_are_short_and_fit_the_grammar() -> None:
    for code, _, _, _, _, reason in WRONG:
        assert len(reason) <= 120, reason
        assert " | " not in reason
        assert " -> " not in reason
        assert "\n" not in reason
        assert reason == reason.strip()
        assert rotbot.ShapeTrace.parse(rotbot.trace(code, args_of(code)).render()).steps[-1].reason == reason


def test_a_program_that_goes_wrong_late_keeps_its_steps() -> None:
    code = "h = x @ n\nr = h.relu()\nw = r.view(-1, 7)\nq = w + 1"
    trace = rotbot.trace(code, args_of(code))
    assert trace.render().split("\n") == [
        "step 0: matmul | [2, 3, 4], [4, 5] -> [2, 3, 5]",
        "step 1: relu | [2, 3, 5] -> [2, 3, 5]",
        "step 2: view(-1, 7) | [2, 3, 5] -> error: 30 is not divisible by 7",
        "final: error at step 2",
    ]
    assert trace.error is not None
    assert trace.error.line == 3


def test_an_error_in_code_that_the_target_does_not_need_still_ends_the_program() -> None:
    trace = rotbot.trace("a = x.relu()\nw = x + m\nq = a.abs()\nz = w.view(5)\nr = q", {"x": [2, 3], "m": [3]}, "r")
    assert [step.op for step in trace.steps] == ["add", "view(5)"]
    assert trace.error == rotbot.StepError(1)


OPERANDS = st.one_of(
    st.integers(-3, 5),
    st.none(),
    st.sampled_from(["ij,jk", "...", "reflect", 1.5, True, torch.float32]),
    st.lists(st.integers(-2, 4), max_size=4),
    st.lists(st.lists(st.integers(0, 2), max_size=2), max_size=3),
    st.tuples(st.integers(-1, 3), st.none()),
    st.builds(
        TensorMeta.contiguous,
        st.lists(st.integers(0, 4), max_size=4).map(tuple),
        st.sampled_from([torch.float32, torch.int64, torch.bool]),
    ),
)
FUNCTIONS = sorted({name for module in (reasons_picking, reasons_products, reasons_shaping) for name in module.RULES})
LAYERS = sorted(reasons_layers.RULES)


@given(st.sampled_from([*FUNCTIONS, "unfold"]), st.lists(OPERANDS, max_size=5))
def test_no_rule_fails_whatever_the_arguments(name: str, args: list[object]) -> None:
    for target in (f"torch.{name}", f"Tensor.{name}_"):
        assert explain(target, tuple(args), {}, None, "torch's message") != ""


@given(st.sampled_from(LAYERS), st.lists(OPERANDS, max_size=5), st.lists(OPERANDS, max_size=4))
def test_no_layer_rule_fails_whatever_the_arguments(name: str, args: list[object], own: list[object]) -> None:
    if name[0].isupper():
        spec = ModuleSpec(f"nn.{name}", tuple(own), ())
        assert explain(spec.name, tuple(args), {}, spec, "torch's message") != ""
    else:
        assert explain(f"torch.nn.functional.{name}", (*args, *own), {}, None, "torch's message") != ""


def test_a_broadcasting_reason_is_given_exactly_where_torch_does_not_broadcast() -> None:
    shapes = [shape for rank in range(3) for shape in itertools.product((1, 2, 3), repeat=rank)]
    for a, b in itertools.product(shapes, repeat=2):
        trace = rotbot.trace("r = x * y", {"x": list(a), "y": list(b)})
        try:
            expected = tuple(torch.broadcast_shapes(a, b))
        except RuntimeError:
            assert "do not broadcast at dim -" in (trace.error or rotbot.StepError(0)).reason, (a, b)
        else:
            assert trace.final == expected


def test_torch_s_own_message_is_cut_to_its_first_sentence() -> None:
    assert tidy("Expected x.dim() to be 3. Something long follows\nand more") == "Expected x.dim() to be 3"
    assert tidy("value 1.5 is odd (while checking arguments for foo)") == "value 1.5 is odd"
    assert tidy("word " * 60) == ("word " * 60)[:117].rstrip() + "..."
