"""What an attacker writes: escapes that want to read, write, import or execute, and bombs that want time or memory."""

# One escape to a line; \n and other escapes in them are Python's. CANARY is a file that must never come to be.
ESCAPES = r"""
import os
from functools import partial\ny = partial(getattr, torch, 'os')().system('touch CANARY')
from functools import partial\ny = partial(open, 'CANARY', 'w')()
from functools import partial\ny = partial(eval)("open('CANARY', 'w')")
from functools import partial\ny = partial(torch.load, 'CANARY')()
from functools import partial\ny = partial(torch.relu, x).func.__globals__
from functools import partial\ny = partial.__class__
import functools\ny = functools.sys
import functools as f\ny = f.reduce
class A: pass\ny = getattr(A(), '__' + 'class__').__mro__
class A: pass\ny = getattr(A(), '_' * 2 + 'init_subclass' + '_' * 2)
class A(nn.Module): pass\ny = getattr(A(), '_modules')
class A(nn.Linear): pass\ny = getattr(A(2, 3), '__call__').__globals__
class A(nn.Linear): pass\ny = A(2, 3).weight.__class__
class A(nn.Linear):\n    def __getattr__(self, n): return open\ny = A(2, 3).os
class A(nn.Sequential): pass\ny = A().__dict__
nn.Module.__init__.__globals__
y = nn.Linear.__init__.__globals__['os']
import einops\ny = einops.einops.itertools
import einops\ny = einops._backends.sys
from einops import _backends
from einops.layers.torch import torch as t
import einops\ny = einops.reduce(x, 'a -> ', lambda t, d: open('CANARY', 'w'))
import os as torch
import sys, torch
import subprocess
import builtins
import importlib
import numpy as np
import torch.utils
import torch.hub as h
import torch._C
import torch.os
import torch.nn.functional.importlib as il
from os import system
from os import *
from torch import *
from torch import os
from torch import load
from torch import _C
from torch.serialization import os as o
from torch.nn.functional import importlib
from torch.nn import __builtins__ as b
from . import x
from .. import secrets
from __future__ import annotations
__import__('os').system('touch CANARY')
y = open('CANARY', 'w')
y = open('/etc/passwd').read()
y = exec("open('CANARY', 'w')")
y = eval("open('CANARY', 'w')")
y = compile('1', 'a', 'eval')
y = input()
y = breakpoint()
y = print(x)
y = help(x)
y = globals()
y = locals()
y = vars(x)
y = dir(x)
y = getattr(x, 'shape')
y = getattr(torch, 'os').system('touch CANARY')
y = setattr(x, 'shape', 3)
y = delattr(x, 'shape')
y = hasattr(x, 'shape')
y = type(x)
y = type('T', (), {})
y = object()
y = super()
y = memoryview(b'1')
y = id(x)
y = hash(x)
y = iter(x)
y = next(iter([x]))
y = classmethod(len)
y = exit()
y = quit()
y = os.system('touch CANARY')
y = sys.modules
y = torch.os.system('touch CANARY')
y = torch.sys.modules['os'].system('touch CANARY')
y = torch.nn.functional.importlib.import_module('os')
y = F.importlib.import_module('os').system('touch CANARY')
y = F.torch.os.system('touch CANARY')
y = torch.functional.os
y = torch.builtins.open('CANARY', 'w')
y = torch.__builtins__
y = torch.__dict__['os']
y = torch.__loader__.load_module('os')
y = torch.__spec__.loader
y = torch.__class__
y = torch.relu.__globals__
y = torch.relu.__self__
y = torch.nn.Linear.__init__.__globals__['torch'].os
y = nn.Linear(3, 4).forward.__globals__
y = nn.Linear(3, 4).__dict__
y = nn.Linear(3, 4).weight.data.data_ptr()
y = nn.Linear.__subclasses__()
y = nn.Module()
y = nn.Module.__init_subclass__
y = F.linear.__module__
y = F.softmax.__code__
y = F.softmax.__closure__
y = F.softmax.__wrapped__
y = math.__loader__
y = ().__class__.__bases__[0].__subclasses__()
y = [].__class__
y = (1).__class__
y = 'a'.__class__.__mro__
y = x.__class__
y = x.__class__.__bases__
y = x.__dict__
y = x.__init__
y = x.__reduce_ex__(2)
y = x.__array__()
y = x.__getattribute__('shape')
y = x.__setstate__((1,))
y = x.__torch_function__
y = x.shape.__class__
y = x.shape.__getitem__(0)
y = x._backward_hooks
y = x._typed_storage()
y = x.storage()
y = x.untyped_storage()
y = x.data_ptr()
y = x.numpy()
y = x.tolist()
y = x.register_hook(len)
y = x.apply_(len)
y = x.map_(x, len)
y = x.share_memory_()
y = x.backward()
y = x.grad
y = x.module_load(x)
y = x.to_sparse()
y = x.cuda().storage()
y = '{0.__class__}'.format(x)
y = '{0.__class__.__mro__}'.format_map({'0': x})
y = f'{x.__class__}'
y = f'{x!r}'
y = f'{open("CANARY", "w")}'
y = '%s' % (x,)
y = '%(a)s' % {'a': x}
y = 'a'.encode()
y = 'a'.join(['b'])
y = str(x)
y = repr(x)
y = ascii(x)
y = bytes(3)
y = bytearray(3)
y = b'abc'.decode()
y = torch.load('CANARY')
y = torch.load('CANARY', weights_only=False)
torch.save(x, 'CANARY')
y = torch.from_file('CANARY', shared=True, size=8)
y = torch.hub.load('a/b', 'c')
y = torch.hub.download_url_to_file('http://x', 'CANARY')
y = torch.jit.script('def f(): pass')
y = torch.jit.CompilationUnit('def f(): pass')
y = torch.ops.load_library('CANARY')
y = torch.ops.aten.relu(x)
y = torch.classes.load_library('CANARY')
y = torch.utils.cpp_extension.load_inline('a', 'b')
y = torch.utils.data.get_worker_info()
y = torch._C._jit_pass_inline
y = torch._dynamo.config
y = torch.compile(torch.relu)
y = torch.package.PackageImporter('CANARY')
y = torch.multiprocessing.Process()
y = torch.distributed.init_process_group('gloo')
y = torch.profiler.profile()
y = torch.autograd.Function
y = torch.library.Library('a', 'DEF')
y = torch.overrides.get_ignored_functions()
y = torch.serialization.load('CANARY')
y = torch.onnx.export(x, x, 'CANARY')
y = torch.fx.symbolic_trace(x)
y = torch.func.vmap(torch.relu)(x)
y = torch.vmap(torch.relu)(x)
y = torch.cuda.memory._record_memory_history()
y = torch.backends.cudnn
y = torch.random.torch
y = torch.storage.UntypedStorage(8)
y = torch.UntypedStorage.from_file('CANARY', True, 8)
y = torch.frombuffer(b'1234', dtype=torch.float32)
y = torch.from_numpy(x)
y = torch.Tensor.__dict__
y = torch.Tensor.__subclasses__()
y = torch.tensor.__self__
y = torch.as_tensor(open)
torch.set_default_dtype(torch.float64)
torch.set_default_device('cpu')
torch.set_num_threads(64)
torch.set_printoptions(precision=2)
torch.use_deterministic_algorithms(True)
torch.set_grad_enabled(True)
torch.relu = torch.load
torch.os = 1
F.relu = 1
nn.Linear = 1
math.pi = 3
x.shape = (1, 2)
x.data = x
x.foo = 1
x.__class__ = int
x.requires_grad = True
nn.Linear(3, 4).weight = x
torch.nn.functional.linear.__defaults__ = ()
del x
del torch.relu
global y\ny = 1
y = lambda: open('CANARY', 'w')\nz = y()
y = (lambda f: f('CANARY', 'w'))(open)
y = [open for _ in range(1)][0]('CANARY', 'w')
y = [z.__class__ for z in [x]]
y = {k: v for k, v in [(1, open)]}[1]('CANARY', 'w')
y = (z := open)('CANARY', 'w')
y = (open if True else 1)('CANARY', 'w')
y = [open][0]('CANARY', 'w')
y = (open, 1)[0]('CANARY', 'w')
y = max([open], key=len)
y = max('a', 'b', key=eval)
y = sorted([3, 1], key=exec)
y = map(open, ['CANARY'])
y = filter(eval, ['1'])
y = sum([[open]], [])[0]('CANARY', 'w')
y = isinstance(x, open)
y = issubclass(int, object)
y = len.__self__
y = range(3).__class__
y = slice(1).__reduce__()
y = (i for i in x).gi_frame
y = [1, 2].__class__.__base__
def f(): return open('CANARY', 'w')\ny = f()
def f(a=open('CANARY', 'w')): return a\ny = f()
def f(a: open('CANARY', 'w')): return a\ny = f(x).__class__
def f(): yield 1\ny = f().gi_frame.f_globals
def f(): pass\ny = f.__globals__
def f(): pass\ny = f.__code__
def torch(): pass\ny = torch.os
@open\ndef f(): pass
@eval\nclass A: pass
class A: y = open('CANARY', 'w')
class A(nn.Module): pass
class A(metaclass=open): pass
class A(nn.Module, metaclass=open): pass
class A(nn.Module, x=open('CANARY', 'w')): pass
class A(open): pass
class A(open('CANARY', 'w')): pass
class A(torch.autograd.Function): pass
class A(torch.Tensor): pass
class A(nn.Module): y = open('CANARY', 'w')
class A(nn.Module): open('CANARY', 'w')
class A(nn.Module):\n    import os
class A(nn.Module):\n    def __getattr__(self, n): return open\ny = A().os
class A(nn.Module):\n    def __init_subclass__(cls): open('CANARY', 'w')\nclass B(A): pass
class A(nn.Module):\n    def __set_name__(self, a, b): open('CANARY', 'w')
class A(nn.Module):\n    def __class_getitem__(cls, k): open('CANARY', 'w')\ny = A[0]
class A(nn.Module):\n    def __reduce__(self): return open, ('CANARY', 'w')
class A(nn.Module):\n    def __del__(self): open('CANARY', 'w')\ny = A()
class A(nn.Module):\n    __class__ = open\ny = A()
class A(nn.Module):\n    __slots__ = ('x',)
class A(nn.Module):\n    @staticmethod\n    def f(): return open\ny = A.f()
class A(nn.Module):\n    @open\n    def f(self): pass
@torch.compile\nclass A(nn.Module): pass
class A(nn.Module):\n    def forward(self): return self.__class__\ny = A()()
class A(nn.Module):\n    def forward(self): return self.__dict__\ny = A()()
class A(nn.Module):\n    def forward(self): return self.forward.__globals__\ny = A()()
class A(nn.Module):\n    def forward(self): return self.forward.__func__\ny = A()()
class A(nn.Module):\n    def forward(self): return super().__class__\ny = A()()
class A(nn.Module):\n    def forward(self): return super().__init__.__globals__\ny = A()()
class A(nn.Module):\n    def forward(self): return super().__getattribute__('x')\ny = A()()
class A(nn.Module):\n    def forward(self): return super().__thisclass__\ny = A()()
class A(nn.Module):\n    def forward(self): return super(open, self)\ny = A()()
class A(nn.Module):\n    def forward(self): return __class__\ny = A()()
class A(nn.Module):\n    def forward(self): self.__class__ = open\ny = A()()
class A(nn.Module):\n    def forward(self): self._modules = {}\ny = A()()
class A(nn.Module):\n    def forward(self): self._forward_hooks = [open]\ny = A()()
class A(nn.Module):\n    def forward(self): torch.relu = open\ny = A()()
class A(nn.Module):\n    def forward(self): nn.Linear.forward = A\ny = A()()
class A(nn.Module): pass\ny = A().load_state_dict(torch.load('CANARY'))
class A(nn.Module): pass\ny = A().register_forward_hook(eval)
class A(nn.Module): pass\ny = A().__call__(x)
class A(nn.Module): pass\ny = A.__mro__
class A(nn.Module): pass\ny = A.__init__.__globals__
class A(nn.Module): pass\ny = A.mro()
class A(nn.Module): pass\nA.forward = open\ny = A()(x)
class A(nn.Module): pass\ny = A()\ny.forward = open\nz = y('CANARY', 'w')
class A(nn.Module): pass\ny = A()\ny.f = open\nz = y.f('CANARY', 'w')
class A(nn.Module): pass\ny = A().register_buffer('__class__', x)
class A(nn.Module): pass\ny = A().register_buffer('forward', x)
class A(nn.Module): pass\ny = A().apply(open)
class A(nn.Module): pass\ny = A().to(open)
class A(nn.Module): pass\ny = torch.relu(A())
class A(nn.Module): pass\ny = torch.zeros(A())
class A(nn.Module): pass\ny = nn.Linear(A(), 3)
class A(nn.Module): pass\ny = isinstance(A(), open)
class torch(nn.Module): pass\ny = torch().os
class F(nn.Module): pass\ny = F().importlib
def f(super): return super.__class__\ny = f(x)
y = super().__init__()
y = super(nn.Module, x)
y = nn.init.normal_(open)
y = nn.init.calculate_gain
y = nn.init.torch.os
y = nn.Module.__call__
y = nn.Module.forward
async def f(): pass\ny = f()
y = await x
async def f():\n    async for i in x: pass\nf()
try:\n    y = open('CANARY')\nexcept Exception as e:\n    y = e.__traceback__.tb_frame
try:\n    1/0\nfinally:\n    y = 1
raise SystemExit(0)
raise ValueError(x)
with open('CANARY', 'w') as f: pass
with open('CANARY', 'w'): pass
with torch.profiler.profile() as p: pass
with torch.inference_mode().__class__(): pass
with torch.autograd.graph.save_on_cpu(): pass
match x:\n    case torch.os: pass
match x:\n    case object(__class__=c): y = c
y: open('CANARY', 'w') = 1\nz = y.__class__
y: __import__('os') = x.__class__
y = x # type: __import__('os')\nz = y.__class__
assert open('CANARY', 'w')
assert x.__class__, open('CANARY', 'w')
for y in open('CANARY', 'w'): pass
for torch.relu in [1]: pass
for x.data in [1]: pass
while open('CANARY', 'w'): pass
if open('CANARY', 'w'): y = x
[torch.relu, y] = (1, 2)
(x.data, y) = (1, 2)
*x.data, y = (1, 2)
y = x[open('CANARY', 'w')]
y = x[().__class__]
y = x['__class__']
y = torch['os']
x[torch.os] = 1
y = x @ open('CANARY', 'w')
y = x + torch
y = -open
y = torch.cat
y = torch.cat([x, open])
y = torch.relu(open)
y = torch.zeros(open)
y = torch.zeros(2, dtype=open)
y = torch.zeros(2, dtype=torch.os)
y = torch.full((2,), eval)
y = x.to(open)
y = x.view(torch.os)
y = F.relu(x, inplace=open)
y = torch.relu(x, out=open)
y = torch.add(x, x, out=x)
y = torch.zeros(2, out=x)
y = torch.zeros(2, generator=open)
y = torch.einsum(open, x)
y = torch.relu(*open)
y = torch.relu(**{'input': x}).__class__
y = torch.relu(**open)
y = nn.Linear(3, open)
y = nn.Sequential(open)
y = nn.LazyLinear(3)(x)
y = nn.Linear(3, 4).register_forward_hook(eval)
y = nn.Linear(3, 4).apply(eval)
y = nn.Linear(3, 4).load_state_dict(torch.load('CANARY'))
y = nn.utils.parametrize
y = nn.modules.module.torch.os
y = nn.parallel.DataParallel(x)
y = nn.functional.os
y = nn.init.torch
y = nn.Transformer(custom_encoder=open)
y = nn.MultiheadAttention(4, 2).__class__
y = torch.ｏｓ.system('touch CANARY')
y = x.ｓhape.__ｃlass__
y = ｏｐｅｎ('CANARY', 'w')
y = x.＿＿class＿＿
y = __ｉmport__('os')
y = x.𝓬𝓵𝓪𝓼𝓼
y = torch\u200b.os
y = x.shape\u2024__class__
y = x\0.__class__
y = '\ud800'.__class__
y = "\N{LATIN SMALL LETTER O}s".__class__
# -*- coding: utf-7 -*-\ny = x.__class__
#coding: rot13\ny = x.__class__
y = x.T.__class__
y = x.mT.H.real.data.__class__
y = x.relu.__self__
y = x.relu.__func__
y = x.relu.__globals__
y = x.shape.numel.__self__
y = torch.Size([2]).__class__
y = torch.float32.__class__
y = torch.float32.__reduce__()
y = torch.device('cpu').__class__
y = torch.Generator().get_state
y = torch.finfo(torch.float32).__class__
y = torch.typename(x)
y = torch.is_tensor.__globals__
y = torch.__version__
y = torch.__file__
y = torch.version.git_version
y = __name__
y = __file__
y = __builtins__
y = __loader__
y = __debug__.__class__
y = Ellipsis.__class__
y = NotImplemented.__class__
y = None.__class__
y = True.__class__
y = 1j.__class__
y = b''.__class__
y = {}.__class__
y = {1}.pop.__self__
y = {**{}}.get
y = [].append.__self__
y = [1].sort(key=eval)
y = [].__init_subclass__
y = [*open]
y = print
y = open
x = y = open
y = [lambda: x][0].__globals__
return open('CANARY', 'w')
yield open('CANARY', 'w')
y = (yield x)
nonlocal x
type X = open
y = x if open('CANARY', 'w') else x
y = not open('CANARY', 'w')
y = x and open('CANARY', 'w')
y = open('CANARY', 'w') or x
y = 1 < open('CANARY', 'w')
y = x is open
y = open in [1]
y = [z for z in range(2) if open('CANARY', 'w')]
y = [z for open in range(2) for z in open]
y = x[open:3]
y = x[1:open('CANARY', 'w')]
y = {'a': open}
y = {open: 1}
y = {**vars()}
y = {**globals()}
y = {'a': x}.__class__
y = {'a': x}.__getitem__('a')
y = {'a': x}.get.__self__
y = {'__class__': x}.__class__
y = {}.fromkeys
y = dict.fromkeys('ab')
y = dict.__subclasses__()
y = {}.items().__class__
y = {}.values().mapping
y = {}.keys().isdisjoint
y = torch.zeros(2, **{'out': x})
y = torch.ones(2, **{'device': open})
y = torch.ones(2, **{'device': torch.relu})
y = torch.randn(2, **{'generator': 1})
y = x.sum(**{'out': x})
y = map(open, ['/etc/passwd'])
y = list(map(eval, ['1']))
y = list(map(getattr, [x], ['__class__']))
y = list(map(torch.load, ['f']))
y = list(map(lambda a: a.__class__, [x]))
y = filter(open, ['CANARY'])
y = list(filter(lambda a: a.__class__, [x]))
y = sorted([x], key=open)
y = sorted([1], key=__import__)
y = max([1], key=lambda a: a.__class__)
y = min('ab', key=eval)
y = str.__class__
y = str(open)
y = str(torch)
y = 'a'.split.__self__
y = 'a'.format_map({'a': x})
y = 'a'.translate({})
y = isinstance(x, torch.nn.Module.__class__)
import collections.abc as c\ny = c.sys
from collections import defaultdict
from collections import _sys
from collections import *
import collections\ny = collections._sys
import collections as torch\ny = torch._sys
from collections import OrderedDict as O\ny = O.__class__
from collections import OrderedDict as O\ny = O().__reduce__
from collections import OrderedDict as O\ny = O.fromkeys('ab')
d = {}\nd.__setitem__('a', 1)
d = {}\nd.x = 1
y = nn.ModuleDict().__dict__
y = nn.ModuleDict({})._modules
y = nn.ModuleDict({}).forward
y = nn.Linear(2, 3)._parameters
y = nn.Linear(2, 3).weight.__class__
y = nn.Linear(2, 3).weight.storage()
y = nn.Linear(2, 3).weight.grad_fn
y = nn.Linear(2, 3).weight.register_hook(open)
y = nn.Linear(2, 3).register_forward_hook(open)
y = nn.Linear(2, 3).load_state_dict({})
nn.Linear(2, 3).forward = open
nn.Linear(2, 3).forward = x
nn.Linear(2, 3).in_features = 3
nn.Linear(2, 3).__class__ = nn.ReLU
nn.ModuleDict({}).training = 1
nn.Linear(2, 3).weight.data = x
y = nn.TransformerEncoder(open, 2)
y = nn.TransformerEncoderLayer(8, 2, activation=open)
y = nn.TransformerEncoderLayer(8, 2, activation=torch.load)
y = nn.TransformerEncoderLayer(8, 2, activation=torch.sigmoid)
y = nn.Transformer.__init__
y = nn.Transformer.forward
y = nn.Transformer.generate_square_subsequent_mask.__globals__
y = nn.Transformer.generate_square_subsequent_mask(x)
class A(nn.Module):\n    @staticmethod\n    def f(): return open('CANARY', 'w')\ny = A.f()
class A(nn.Module):\n    @staticmethod\n    def __new__(cls): return x\ny = A()
class A(nn.Module):\n    @staticmethod\n    @torch.jit.ignore\n    def f(): return 1
class A(nn.Module):\n    @staticmethod()\n    def f(): return 1
class A(nn.Module):\n    @classmethod\n    def f(cls): return cls.__mro__\ny = A.f()
class A(nn.Module):\n    @staticmethod\n    def f(): return super().__init__\ny = A().f()
staticmethod = torch.relu\nclass A(nn.Module):\n    @staticmethod\n    def f(): return 1
y = staticmethod(open)
def f(**__builtins__): return __builtins__.__class__\ny = f(a=1)
def f(**kw): return kw.__class__\ny = f(a=1)
def f(**globals): return globals()\ny = f(os=1)
f = lambda **k: k.__class__\ny = f()
y = (lambda **k: open)(a=1)
y = print(**{'file': open('CANARY', 'w')})
print(open('CANARY', 'w'))
print(f"{open('CANARY', 'w')}")
y = '%(__class__)s' % x
y = '%s' % x
class P:\n    @property\n    def n(self): return open('CANARY', 'w')\ny = P().n
class P:\n    def __call__(self): return self.__class__\ny = P()()
class P:\n    def __init_subclass__(cls): pass
class P:\n    def __class_getitem__(cls, i): return i
class P:\n    def __del__(self): pass
class P:\n    @classmethod\n    def f(cls): return cls.__subclasses__()\ny = P.f()
class P(object): pass\ny = P.__mro__
class P: pass\ny = P().__dict__
class P: pass\nP().__class__ = nn.ReLU
class P(type): pass
class P(Exception): pass
class P(torch.autograd.Function): pass
from dataclasses import dataclass\n@dataclass\nclass C:\n    a: open('CANARY', 'w') = 1\ny = C().__class__
from dataclasses import dataclass\n@dataclass\nclass C:\n    a: int = open('CANARY', 'w')
from dataclasses import field\ny = field(default_factory=open)
from dataclasses import field, dataclass as d\n@d\nclass C:\n    a: int = field(default_factory=open)\ny = C()
from dataclasses import make_dataclass
from dataclasses import dataclass\n@dataclass(eq=open)\nclass C: pass
from dataclasses import dataclass as d\n@d\n@d\nclass C: pass
import dataclasses\ny = dataclasses.sys
import dataclasses\ny = dataclasses.dataclass.__globals__
y = torch.optim.sys
y = torch.optim.Adam.__init__
y = torch.optim.Adam([x]).state_dict()
y = torch.optim.Optimizer
y = torch.optim.lr_scheduler.types
import torch.optim.adam
from torch.nn.utils import parametrize
y = torch.nn.utils.rnn.torch
y = nn.Linear(2, 3).parameters().__class__
y = list(nn.Linear(2, 3).named_parameters())[0][1].__class__
y = list(nn.Linear(2, 3).modules())[0]._modules
y = nn.Linear(2, 3).apply(open)
y = list(filter(None, open))
"""

BOMBS = r"""
from functools import partial\nf = torch.relu\nfor i in range(4000):\n    f = partial(f)\ny = f(x)
from functools import partial\nf = partial(lambda g: g(g))\ny = f(f)
from functools import partial\nf = partial(torch.cat, [x] * 10**6)\ny = f()
from einops import repeat\ny = repeat(x, 'a b -> a b c', c=10**15)
from einops import rearrange\ny = rearrange(x, '(' * 10**6)
from einops import rearrange\ny = rearrange(x, ' '.join(['a'] * 10**6))
from einops import rearrange\ny = rearrange([x] * 10**5, 'n a b -> (n a) b')
from einops import repeat\ny = x\nfor i in range(4000): y = repeat(y, 'a b -> a (b 1000)')
class S(nn.Sequential): pass\ns = S()\ns.append(s)\ny = s(x)
class S(nn.ModuleList):\n    def forward(self, x): return [m(x) for m in self]\ns = S()\ns.append(s)\ny = s(x)
class S(nn.Linear): pass\ny = S(10**9, 10**9)(x)
class S(nn.Module): pass\ns = S()\nfor i in range(10**9): setattr(s, 'a%d', i)
y = '%1500000000s' % x
y = '%0*d' % (10**9, x)
s = '%1500000000s'\ns %= x
print('%1500000000s' % x)
print('a' * 10**10)
print([x.sum().item(), x.add_(1)])
y = 9**9**9
y = 9**9**9**9
y = 2**(2**40)
y = (-3)**(10**9)
y = 1 << 10**12
y = 1 << (1 << 40)
y = 10**18 * 10**18 * 10**18
y = 0xffffffffffffffffffffffffffffffffffffffff
y = int('9' * 10**6)
y = int(1e308)
y = int(float('inf'))
y = pow(3, 10**9)
y = pow(3, 10**9, 7)
y = math.factorial(10**6)
y = math.comb(10**6, 5 * 10**5)
y = math.prod([2**60] * 4000)
y = math.prod(range(1, 4000))
y = math.lcm(2**61 - 1, 2**60 - 1, 2**59 - 1)
y = math.exp(1000)
y = 2.0**10000
y = 1 / 0
y = x.shape[0] // 0
y = round(1.5, 10**9)
y = [0] * 10**9
y = [0] * 10**18
y = 10**9 * [0]
y = (0,) * 10**9
y = 'a' * 10**10
y = [[0] * 4000] * 4000
y = [[[0] * 4000] * 4000] * 4000\nz = torch.tensor(y)
y = range(10**12)\nz = list(range(10**12))
y = list(range(10**9))
y = sum(range(10**12))
y = sorted(range(10**9))
y = [0 for _ in range(10**9)]
y = [0 for a in range(4000) for b in range(4000) for c in range(4000)]
y = [[x for a in range(4000)] for b in range(4000)]
y = {a: a for a in range(10**9)}
y = {a for a in range(10**9)}
y = sum(a for a in range(10**9))
y = tuple(range(4000)) * 4000
y = [*range(10**9)]
a, *b = range(10**9)
y = max(range(10**12))
y = 10**9 in range(10**12)
y = enumerate(range(10**9))
y = list(zip(range(10**9), range(10**9)))
y = reversed(range(10**9))
while True: pass
while 1: y = x
while x.shape[0] == 2: x = x + 1
for a in range(10**9): y = a
for a in range(4000):\n    for b in range(4000):\n        for c in range(4000):\n            y = a
for a in range(4000): y = x + a
y = []\nwhile True: y.append(y)
y = []\nwhile True: y.append(x)
y = [0]\nfor a in range(60): y.extend(y)
y = [0]\nfor a in range(60): y = y + y
y = [0]\nfor a in range(60): y += y
y = [0]\nfor a in range(60): y = [y, y]
y = [x]\nfor a in range(60): y = [y, y]\nz = torch.cat(y)
y = [1]\nfor a in range(60): y = [y, y]\nz = torch.zeros(y)
y = [1]\nfor a in range(60): y = [y, y]\nz = x[y]
y = (1,)\nfor a in range(60): y = (y, y)\nz = x.view(y)
y = [1]\nfor a in range(60): y = [y, y]\nz = y == y
y = [1]\nfor a in range(60): y = [y, y]\nassert y == [1]
y = [1]\nfor a in range(60): y = [y, y]\nz = nn.LayerNorm(y)
y = [1]\ny.append(y)\nz = torch.zeros(y)
y = [1]\ny.append(y)\nz = torch.tensor(y)
y = [1]\ny.append(y)\nz = y == y
y = [x]\ny.append(y)\nz = torch.stack(y)
y = [x]\ny[0] = y\nz = x[y]
y = []\ny.append(y)\nz = x[y]
y = 'a'\nfor a in range(60): y = y + y
y = 'a'\nfor a in range(60): y += y
y = 3\nfor a in range(60): y = y * y
y = 1.5\nfor a in range(60): y = y * y
def f(n): return f(n + 1)\ny = f(0)
def f(n): return f(n - 1) + f(n - 2) if n > 1 else 1\ny = f(30)
def f(): return [f(), f()]\ny = f()
f = lambda n: f(n)\ny = f(0)
f = lambda f: f(f)\ny = f(f)
y = (lambda f: f(f))(lambda f: f(f))
y = (lambda a=9**9**9: a)()
def f(*a): return f(*a, *a)\ny = f(1, 2)
class A(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = A()\ny = A()
class A(nn.Module):\n    def forward(self, x): return self(x)\ny = A()(x)
class A(nn.Module):\n    def forward(self, x): return self.forward(x) + self.forward(x)\ny = A()(x)
class A(nn.Module):\n    def f(self): return super().f()\nclass B(A):\n    def f(self): return super().f()\ny = B().f()
class A(nn.Module): pass\na = A()\na.a = a\na.train()\ny = a.a.a.a.eval()
class A(nn.Module): pass\na = A()\nfor n in range(60): a.l = [a, a]\na.train()
m = nn.ModuleList()\nm.append(m)\nm.eval()\nfor n in m: y = x
m = nn.ModuleList()\nm.append(m)\nfor n in range(60): m.extend(m)
m = nn.ModuleList([nn.ReLU()] * 4000)\nfor n in range(60): m.extend(m)
m = nn.ModuleList()\nm.append(m)\ny = nn.Sequential(*m)(x)
m = nn.Sequential(nn.ReLU())\nfor n in range(60): m = nn.Sequential(m, m)\ny = m(x)
class A(nn.Module):\n    n = 1\n    def forward(self):\n        while True: self.n = [self.n, self.n]\ny = A()()
class A(nn.Module):\n    s = 'a'\n    def forward(self):\n        while True: self.s += self.s\ny = A()()
for n in range(10**9):\n    class A(nn.Module): pass
class A0(nn.Module): pass\nclass A(A0): pass\nfor n in range(4000):\n    class A(A): pass\ny = A().f
y = x.split(1)
y = big.split(1)
y = huge.split(1)
y = torch.split(big, 1)
y = big.chunk(10**7)
y = big.tensor_split(10**7)
y = big.unbind()
y = torch.unbind(huge)
a, *b = big
*a, = huge
y = list(big)
y = [a for a in big]
y = [*big]
y = torch.stack([*big])
y = tuple(huge)
y = sum(big)
for a in huge: y = a
y = list(zip(big, big))
y = torch.hsplit(big, 10**7)
y = big.split([1] * 4000)
y = big.view(4000, -1).split(1, 0)
y = torch.broadcast_tensors(*[x] * 4000)
y = torch.meshgrid(*[i] * 60)
y = torch.meshgrid(*[i] * 20, indexing='ij')
y = torch.cartesian_prod(*[i] * 60)
y = torch.cartesian_prod(big, big, big)
y = torch.combinations(big, 5)
y = torch.combinations(i, 10**9)
y = torch.block_diag(*[x] * 4000)
y = torch.cat([x] * 4000)
y = torch.stack([huge] * 4000)
y = torch.stack([x] * 4000).sum()
y = torch.einsum(','.join(['ab'] * 1000), *[x] * 1000)
y = torch.einsum('ab' + ',ab' * 1000, *[x] * 1001)
y = torch.einsum('a,b,c->abc', huge, huge, huge)
y = torch.einsum('...' * 1000, x)
y = torch.linalg.multi_dot([x @ w] * 1000)
y = torch.linalg.matrix_power(torch.zeros(3, 3), 10**9)
y = torch.matrix_power(torch.zeros(300, 300), 2**62)
y = torch.linalg.matrix_exp(torch.zeros(500, 500))
y = torch.linalg.svd(torch.zeros(510, 510))
y = torch.linalg.eig(torch.zeros(510, 510))
y = torch.linalg.svd(big.view(2500, 4000))
for a in range(1000): y = torch.linalg.svd(torch.zeros(500, 4 + a))
for a in range(1000): y = torch.zeros(500, 500 + a % 20 + 1).sort()[0].cumsum(0).prod(1)
y = torch.diff(big, n=30000)
y = torch.diff(x, n=10**18)
y = torch.polygamma(10**9, x)
y = torch.mvlgamma(x, 10**9)
y = torch.special.multigammaln(x, 10**9)
y = torch.special.hermite_polynomial_h(torch.ones(500, 500), 10**9)
y = torch.special.legendre_polynomial_p(torch.full((500, 500), 0.5), torch.full((500, 500), 1e9))
y = torch.special.laguerre_polynomial_l(torch.full((500, 500), 0.5), 1e300)
y = torch.special.zeta(torch.ones(500, 500), 1e300)
y = x.repeat(2**31, 2**31)
y = x.repeat(2**62, 2)
y = x.repeat(*[2] * 62)
y = x.repeat([1] * 4000)
y = x.tile(2**40)
y = x.expand(2**62, 2, 3)
y = x.expand(2**31, 2**31, 2, 3)
y = torch.repeat_interleave(x, 2**62)
y = torch.repeat_interleave(x, 2**40, dim=0)
y = x.repeat_interleave(10**7)
y = x[(None,) * 70]
y = x[None][(None,) * 4000]
y = x.view([1] * 70 + [2, 3])
y = torch.zeros([1] * 100)
y = x.reshape((1,) * 4000 + (6,))
for a in range(100): x = x.unsqueeze(0)
for a in range(70): x = torch.stack([x, x])
for a in range(100): x = torch.cat([x, x])
for a in range(100): x = x.repeat(2, 2)
for a in range(100): x = x * torch.zeros(2, 1, *x.shape)
for a in range(1000): x = torch.outer(x.flatten(), x.flatten())
y = torch.zeros(10**18)
y = torch.zeros(2**63 - 1)
y = torch.zeros(2**62, 2**62)
y = torch.zeros(-10**18)
y = torch.empty(10**9, 10**9)
y = torch.ones(10**10, device='cpu')
y = torch.zeros(10**10, device='cuda')
y = torch.zeros(10**10, device=torch.device('cpu'))
y = torch.zeros(10**12, pin_memory=True)
y = torch.rand(10**11)
y = torch.randn(10**6, 10**6).to('cpu')
y = huge.cpu()
y = huge.cuda().cpu().contiguous().clone()
y = torch.zeros_like(huge, device='cpu')
y = huge.new_zeros(10**12, device='cpu')
y = torch.randperm(10**11)
y = torch.arange(10**18)
y = torch.arange(0, 1, 1e-18)
y = torch.arange(0, 1e308)
y = torch.linspace(0, 1, 10**18)
y = torch.logspace(0, 1, 10**12)
y = torch.eye(10**9)
y = torch.eye(10**18, 10**18)
y = torch.tril_indices(10**9, 10**9)
y = torch.hann_window(10**15)
y = torch.full((10**9, 10**9), 1)
y = torch.tensor([0] * 4000)
y = torch.tensor([[0] * 4000] * 4000)
y = torch.tensor([x] * 4000)
y = torch.vander(big, 10**7)
y = torch.bincount(i, minlength=10**15)
y = torch.histc(x, 10**15)
y = torch.histogram(x, 10**12)
y = torch.bucketize(x, huge)
y = torch.multinomial(x, 10**12, replacement=True)
y = F.one_hot(i, num_classes=10**12)
y = F.one_hot(i, num_classes=2**62)
y = F.one_hot(i, 10**7)
y = F.pad(x, (10**12, 10**12))
y = F.pad(x, (10**12, 10**12, 10**12, 10**12))
y = F.pad(x, [1] * 4000)
y = F.pad(x[None], (10**9, 10**9), mode='replicate')
y = F.pad(x[None], (2**62, 2**62), mode='circular')
y = F.interpolate(x[None], scale_factor=1e9)
y = F.interpolate(x[None], size=10**15)
y = F.interpolate(x[None, None], size=(10**9, 10**9), mode='bicubic')
y = F.upsample(x[None, None], scale_factor=1e300)
y = F.unfold(x[None, None], 10**9, padding=10**9)
y = F.fold(x[None], (10**9, 10**9), (1, 1))
y = F.conv1d(x[None], torch.zeros(4, 2, 1), padding=10**15)
y = F.conv2d(torch.zeros(1, 1, 500, 500), torch.zeros(1, 1, 400, 400), padding=100)
y = F.conv3d(torch.zeros(1, 1, 60, 60, 60), torch.zeros(1, 1, 50, 50, 50))
y = F.conv_transpose1d(x[None], torch.zeros(2, 4, 1), stride=10**15)
y = F.conv_transpose2d(torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 1, 1), stride=10**5)
y = F.max_pool1d(x[None], 1, padding=0, dilation=10**18)
y = F.avg_pool2d(torch.zeros(1, 1, 500, 500), 400, stride=1)
y = F.adaptive_avg_pool1d(x[None], 10**15)
y = F.adaptive_max_pool2d(torch.zeros(1, 500, 500), 500)
y = F.ctc_loss(torch.zeros(500, 1, 500), torch.zeros(1, 400), (500,), (400,))
y = F.pdist(big.view(-1, 4))
y = torch.cdist(big.view(-1, 1), big.view(-1, 1))
y = torch.kron(big, big)
y = torch.kron(torch.zeros(500, 500), torch.zeros(500, 500))
y = torch.outer(huge, huge)
y = torch.zeros(500, 500) @ torch.zeros(500, 500)
for a in range(1400): y = torch.zeros(500, 500 - a % 400) @ torch.zeros(500 - a % 400, 500)
y = torch.tensordot(huge, huge, 0)
y = torch.trapezoid(huge.expand(2, -1))
y = huge.unfold(0, 2**20, 1)
y = big.unfold(0, 1, 1).unfold(0, 1, 1).unfold(0, 1, 1)
y = torch.as_strided(x, (10**12,), (0,))
y = torch.as_strided(x, (2**40, 2**40), (1, 1))
y = torch.as_strided(x, (2,), (2**62,), 2**62)
y = big.sort()[0].unique()
y = torch.stft(big, 2**24)
y = torch.stft(big, 400, 1)
y = torch.fft.fft(x, n=10**15)
y = torch.fft.fftn(x, s=(10**9, 10**9))
y = torch.fft.fft(torch.zeros(2**18 - 5), n=2**18 - 5)
y = torch.fft.irfft(huge)
y = nn.Linear(10**6, 10**6)
y = nn.Linear(10**9, 10**9)
y = nn.Linear(3, 10**12)(x)
y = nn.Linear(2**62, 2**62)
y = nn.Embedding(10**12, 10**6)(i)
y = nn.Bilinear(10**5, 10**5, 10**5)
y = nn.Conv3d(10**4, 10**4, 10**3)
y = nn.Conv2d(3, 3, 10**9)
y = nn.Transformer(num_encoder_layers=10**6)
y = nn.Transformer(512, 8, 10**6)
y = nn.Transformer(512, 8, 60, 60, 2048)
y = nn.TransformerEncoderLayer(2**20, 1, 2**20)
y = nn.LSTM(3, 4, 10**6)(x)
y = nn.LSTM(3, 4, num_layers=10**9)
y = nn.LSTM(3, 10**9)
y = nn.LSTM(2000, 2000, num_layers=60, bidirectional=True)(torch.zeros(500, 1, 2000))
y = nn.GRU(3, 4, 60)(torch.zeros(500, 1, 3))
y = nn.RNN(3, 4, batch_first=True)(torch.zeros(1, 10**6, 3))
y = nn.LSTM(3, 4, proj_size=10**9)
for a in range(900): y = nn.LSTM(3, 4 + a, 4)(torch.zeros(500, 1, 3))
y = nn.Sequential(*[nn.ReLU()] * 4000)(x)
y = nn.Sequential(*[nn.Linear(3, 3) for a in range(4000)])(x)
y = nn.ModuleList([nn.Linear(500, 500) for a in range(4000)])
y = nn.MultiheadAttention(2**20, 1)
y = nn.Upsample(scale_factor=10**9)(x[None])
y = nn.ZeroPad2d(10**15)(x[None])
y = nn.PixelShuffle(10**9)(x[None])
y = nn.Unflatten(1, [1] * 4000)(x)
y = nn.LayerNorm([10**9, 10**9])
y = nn.BatchNorm1d(10**15)
y = nn.AdaptiveAvgPool3d(10**6)(torch.zeros(1, 1, 1, 1))
y = F.scaled_dot_product_attention(huge[:, None], huge[:, None], huge[:, None])
y = F.multi_head_attention_forward(x, x, x, 10**9, 10**9)
y = F.embedding(i, huge[:, None])
y = F.grid_sample(torch.zeros(1, 1, 9, 9), torch.zeros(1, 10**6, 10**6, 2))
y = F.affine_grid(torch.zeros(1, 2, 3), (1, 1, 10**9, 10**9))
y = F.pixel_shuffle(x[None], 2**31)
y = F.gumbel_softmax(huge)
y = torch.cov(big.view(-1, 2))
y = torch.corrcoef(big.view(-1, 2))
y = torch.linalg.vander(big)
y = torch.linalg.inv(big.view(2500, 4000)[:, :2500])
y = torch.linalg.matrix_norm(torch.zeros(510, 510), 'nuc')
y = torch.linalg.lstsq(torch.zeros(500, 500), torch.zeros(500, 500))
y = torch.linalg.householder_product(torch.zeros(500, 500), torch.zeros(500))
y = torch.linalg.tensorinv(torch.zeros(20, 20, 400))
y = torch.quantile(big, 0.5)
y = torch.median(huge)
y = torch.topk(huge, 2**40)
y = huge.kthvalue(10**12)
y = huge.cumsum(0).cumprod(0).sort()[0].flip(0)
y = torch.gradient(huge)
y = torch.masked_select(x, m)
y = torch.searchsorted(huge, huge)
y = torch.take_along_dim(huge, huge.long())
y = torch.index_select(huge, 0, huge.int())
y = torch.scatter(huge, 0, huge.long(), huge)
y = x[[0] * 4000]
y = x[[[0] * 4000] * 4000]
y = x[tuple([0] * 4000)]
y = x[::10**18]
y = x[-10**18:10**18]
y = x[10**30]
y = x[10**30:]
y = huge[i][:, i]
x[10**12] = 1
big[:] = huge
y = x.roll(10**30)
y = x.roll([1] * 4000, [0] * 4000)
y = x.permute([0] * 4000)
y = x.sum([0] * 4000)
y = x.flip([0] * 4000)
y = x.movedim([0] * 4000, [0] * 4000)
y = x.unflatten(1, [1] * 60 + [3])
y = x.view(2**63)
y = x.view(-2**63)
y = x.view(10**400)
y = x.narrow(0, 0, 2**62)
y = x + 10**400
y = x * 1e400
y = x ** 10**18
y = x << 10**9
y = {a: b for a in range(4000) for b in range(4000)}
y = {(a, b): 1 for a in range(100) for b in range(100)}
d = {}\nd['d'] = d\ny = d
d, e = {}, {}\nd['e'], e['d'] = e, d\ny = str(d)
d = {}\nfor a in range(64): d = {'a': d, 'b': d}\ny = d
d = {}\nfor a in range(40): d = {'a': d.copy(), **d}\ny = d
d = {0: x}\nfor a in range(40): d.update({k + 2**a: v for k, v in d.items()})\ny = d
d = {}\nfor a in range(4000): d[a] = a\nfor a in range(4000): d[0] = a\ny = x
d = {}\nfor a in range(4000): d[a] = a\nfor a in range(4000): d[9] = [a]\ny = x
d = {}\nfor a in range(4096): d[a] = a\nd[-1] = 0
d = {'a': 1}\nfor k in d: d[k + 'a'] = 1
d = {'a' * 4000: 1}\nfor a in range(40): d = {k + k: 1 for k in d}
y = {'k' * 4096: x}[('k' * 4096, 'k' * 4096)]
y = {}\nfor a in range(4000): y = dict(zip(range(4096), range(4096)))
y = x.sum(**{'a' * 4000: 1})
y = x.sum(**{'dim | x -> y': 1})
y = x.sum(**{str(a): a for a in range(4000)})
def f(**k): return f(**k, **{str(len(k)): 1})\ny = f()
def f(**k): return [f(**k), f(**k)]\ny = f()
y = list(map(list, [range(4096)] * 4096))
y = list(map(lambda a: list(map(str, range(4000))), range(4000)))
y = list(map(map, [str] * 4096, [range(4096)] * 4096))
y = sorted(range(4096), key=lambda a: list(range(4096)))
for a in range(4000): y = sorted(range(4096), key=str)
for a in range(4000): y = list(filter(None, range(4096)))
s = nn.Sequential()\nfor a in range(40): s = nn.Sequential(s, s)\ny = s(x)
s = nn.Sequential()\nfor a in range(4000): s = nn.Sequential(s)\ny = s(x)
s = nn.ModuleList()\ns.append(s)\ny = s.eval()
s = nn.Sequential()\ns.append(s)\ny = s(x)
s = nn.Sequential(nn.ReLU())\nfor a in range(20): s.extend(s)\ny = s(x)
s = nn.ModuleDict()\ns['s'] = s\ny = s.half()
s = nn.ModuleDict({str(a): nn.ReLU() for a in range(4000)})\ny = x
e = nn.TransformerEncoderLayer(8, 2)\nfor a in range(9): e = nn.TransformerEncoder(e, 60)\ny = e(x)
e = nn.TransformerEncoderLayer(8, 2)\nfor a in range(9): e = nn.TransformerEncoder(e, 60, e)\ny = e(x)
y = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 10**6)
y = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), num_layers=10**6)
y = nn.TransformerEncoder(nn.TransformerEncoderLayer(10**6, 1), 2)
y = nn.TransformerEncoder(nn.TransformerEncoderLayer(2048, 1), 64)(torch.zeros(4, 2048))
y = nn.TransformerEncoder(nn.TransformerEncoderLayer(128, 1), 64)(torch.zeros(1, 128))
y = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2), 2, norm=nn.Linear(10**6, 10**6))
for a in range(900): y = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 1, 8 + a), 9)(torch.zeros(1, 16))
for a in range(4000): y = nn.Linear(2, 3 + a).weight
l = nn.Linear(2, 3)\nfor a in range(4000): y = l.weight.T
y = nn.Linear(10**6, 10**4).weight @ nn.Linear(10**6, 10**4).weight
y = nn.Transformer.generate_square_subsequent_mask(2**40)
y = nn.Transformer.generate_square_subsequent_mask(-1)
y = str(2**62) * 4096
y = ('a' * 4096).split('a')
d = {}\nfor a in range(4000): d.setdefault(a, []).append(d)
d = {a: [] for a in range(2000)}\nfor a in range(3000): d[0] = []
d = {}\nfor a in range(4000): d = {**d, a: d}
y = [{'a': [1]} for a in range(4000)]\nfor b in range(4000): y[0] = {'a': [b]}
class P:\n    @property\n    def n(self): return self.n\ny = P().n
class P:\n    def __call__(self): return self()\ny = P()()
class P:\n    def __init__(self): self.p = P()\ny = P()
from dataclasses import dataclass, field\n@dataclass\nclass C:\n    a: int = field(default_factory=lambda: C())\ny = C()
s = nn.Sequential(nn.Linear(2, 3))\nfor a in range(40): s = nn.Sequential(s, s)\ny = [*s.parameters()]
s = nn.ReLU()\nfor a in range(4000): s = nn.Sequential(s)\ny = torch.zeros(len(list(s.modules())))
s = nn.ReLU()\nfor a in range(4000): s = nn.Sequential(s)\ny = s.half().eval().requires_grad_(False)(x)
s = nn.ModuleDict()\ns['s'] = s\ny = list(s.named_parameters())
l = nn.ModuleList([nn.Linear(2, 3) for a in range(2000)])\ny = torch.zeros(sum(p.numel() for p in l.parameters()))
e = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 64)\ny = [p.mT for p in e.parameters()]
class P: pass\np = P()\nfor a in range(4000): p.a = [p]\ny = x
class P: pass\np = P()\np.p = p\ny = [p]\nfor a in range(99): y = [y, p]
y = torch.nn.utils.rnn.pad_sequence([big] * 4000)
y = torch.nn.utils.rnn.pad_sequence([big, huge])
y = torch.nn.utils.rnn.pad_sequence([torch.zeros(2**22), torch.zeros(1)])
y = torch.nn.utils.rnn.pad_sequence([x] * 4000)
raise ValueError('a' * 10**9)
"""

LONG_ESCAPES = [
    "y = " + "(" * 500 + "open" + ")" * 500,
    "y = x" + ".T" * 3000 + ".__class__",
    "y = '" + "{" * 1000 + "0.__class__" + "}" * 1000 + "'.format(x)",
    "y = 1; " * 2000 + "y = x.__class__",
]
LONG_BOMBS = [
    "y = " + "(" * 150 + "1" + ")" * 150,
    "y = " + "(" * 10_000 + "1" + ")" * 10_000,
    "y = " + "[" * 90 + "]" * 90,
    "y = " + "[" * 10_000 + "]" * 10_000,
    "y = " + "-" * 10_000 + "1",
    "y = " + "not " * 5_000 + "1",
    "y = " + "1 + " * 2_000 + "1",
    "y = " + "1 + " * 200_000 + "1",
    "y = x" + "[0]" * 5_000,
    "y = x" + ".T" * 9_000,
    "y = x" + ".relu()" * 2_000,
    "y = " + "lambda: " * 2_000 + "1",
    "y = " + "x if x else " * 1_500 + "x",
    "y = 1" + " < 1" * 4_000,
    "y = " + "9" * 4_000,
    "y = " + "9" * 10_000,
    "y = x.view(0x" + "f" * 10_000 + ")",
    "y = torch.zeros(0x" + "f" * 10_000 + ")",
    "y = x[0x" + "f" * 10_000 + "]",
    "y = 1e" + "9" * 5_000,
    "y = '" + "a" * 1_000_000 + "'",
    "y = x" + " " * 1_000_000,
    "#" * 3_000_000,
    "\n" * 1_000_000 + "y = x",
    "\\\n" * 9_000 + "y = x",
    "y = x\n" * 3_000,
    "y = x + 1\n" * 1_900,
    "".join(f"y{n} = x + {n}\n" for n in range(1_400)),
    "".join(" " * n + "if x.shape[0]:\n" for n in range(99)) + " " * 99 + "y = x",
    "".join(" " * n + "for a in range(9):\n" for n in range(19)) + " " * 19 + "y = x",
    "y = " + "+".join(["x"] * 900),
    "y = torch.tensor([" + "0," * 9_000 + "])",
    "y = torch.cat([" + "x," * 5_000 + "])",
    "y = x.view(" + "1," * 900 + "6)",
    "y = torch.zeros(" + "*[1]," * 900 + ")",
    "y = [0 for a in range(4000) if [0 for b in range(4000) if [0 for c in range(4000)]]]",
    "f = lambda: 0\n" + "g = lambda: [f() for a in range(4000)]\nf = g\n" * 20 + "y = f()",
    "".join(f"def f{n}():\n return [f{n + 1}() for a in range(99)]\n" for n in range(12)) + "f12 = lambda: x\ny = f0()",
    "with torch.no_grad():\n" + " y = x.relu()\n" * 1_600,
    "y = f'" + "{x}" * 4_000 + "'",
    "y = '%999999999999d' % 1",
    "y = f'{1:999999999}'",
    "y = '{:>999999999}'.format(1)",
    "y = 'a'.ljust(10**9)",
    "y = 'a'.replace('', 'a' * 4000)",
    "y = 'a'.zfill(10**9)",
]  # fmt: skip
