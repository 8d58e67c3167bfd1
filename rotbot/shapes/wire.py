"""What goes over the sockets between :mod:`rotbot.shapes.isolation`, the tracing worker and its children.

On the control socket, isolation sends :data:`TIME` with the request's own socket attached. On that socket go the
request and the child's answer, each eight bytes of length and JSON; where a child ended without an answer, the worker
appends a :data:`TRAILER`.
"""

from __future__ import annotations

import socket
import struct

HEADER = struct.Struct("!Q")
TIME = struct.Struct("!d")
"""The seconds a request may take."""

TRAILER = struct.Struct("!8sqq")
"""Magic, wait status (or :data:`TIMED_OUT`), peak memory in bytes."""

MAGIC = b"rotbot\r\n"
TIMED_OUT = -1
READY = b"!"
"""What the worker says once on the control socket, when it can take requests."""


def send(connection: socket.socket, message: bytes) -> None:
    """Send a message with its length before it."""
    connection.sendall(HEADER.pack(len(message)) + message)


def receive(connection: socket.socket) -> bytes:
    """Receive what :func:`send` sent. Raises EOFError if the other side hangs up first."""
    (length,) = HEADER.unpack(_exactly(connection, HEADER.size))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = connection.recv(min(length - len(received), 1 << 20))
        if not part:
            raise EOFError("the other side hung up")
        received += part
    return bytes(received)
