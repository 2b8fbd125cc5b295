"""The bytes between two processes: QEMU's addresses, and channels that block.

`parse_address` reads an address as QEMU does, `connect` and `listen` make a `Channel` of it. TLS
is told by parameter, as in QEMU, never by what the stream begins with.
"""

from __future__ import annotations

from .address import (
    Address,
    ExecAddress,
    FdAddress,
    FileAddress,
    InetAddress,
    UnixAddress,
    VsockAddress,
)
from .channel import Channel
from .connecting import connect
from .listening import Listener, listen
from .parsing import parse_address
from .tls import TlsFiles

__all__ = [
    "Address",
    "Channel",
    "ExecAddress",
    "FdAddress",
    "FileAddress",
    "InetAddress",
    "Listener",
    "TlsFiles",
    "UnixAddress",
    "VsockAddress",
    "connect",
    "listen",
    "parse_address",
]
