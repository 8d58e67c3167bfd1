"""What happens when who reads the output leaves, as ``head`` does: the command ends as a shell's own commands do."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

PIPE_CLOSED = 141
"""128 and the number of SIGPIPE. (Exit 1 would be the job's negative answer, such as a shape error.)"""


def leave() -> NoReturn:
    """End with :data:`PIPE_CLOSED`; what is left to be flushed goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(PIPE_CLOSED)
