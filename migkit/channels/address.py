"""Where a migration goes to or comes from, by QEMU's transports.

Source: qapi/migration.json (MigrationAddress), qapi/sockets.json (SocketAddress).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = [
    "Address",
    "ExecAddress",
    "FdAddress",
    "FileAddress",
    "InetAddress",
    "UnixAddress",
    "VsockAddress",
]


@dataclass(frozen=True)
class InetAddress:
    """TCP.

    Attributes
    ----------
    host : str
        A name or a number; empty for this machine alone.
    port : str
        A number or the name of a service; ``0`` lets the system choose when listening.
    to : int or None
        The last port that is tried when listening.
    ipv4, ipv6 : bool or None
        Which of the two is allowed; None leaves it to the name.
    numeric, keep_alive, mptcp : bool
        QEMU's options of the same names.
    """

    host: str
    port: str
    to: int | None = None
    ipv4: bool | None = None
    ipv6: bool | None = None
    numeric: bool = False
    keep_alive: bool = False
    mptcp: bool = False

    def __str__(self) -> str:
        """Write it as QEMU's URI."""
        text = f"tcp:[{self.host}]:{self.port}" if ":" in self.host else self._plain()
        text += f",to={self.to}" if self.to is not None else ""
        for name, value in (("ipv4", self.ipv4), ("ipv6", self.ipv6)):
            text += f",{name}={'on' if value else 'off'}" if value is not None else ""
        for name in ("numeric", "keep_alive", "mptcp"):
            text += f",{name.replace('_', '-')}=on" if getattr(self, name) else ""
        return text

    def _plain(self) -> str:
        return f"tcp:{self.host}:{self.port}"


@dataclass(frozen=True)
class UnixAddress:
    """A UNIX socket.

    Attributes
    ----------
    path : str
        Of the socket.
    """

    path: str

    def __str__(self) -> str:
        """Write it as QEMU's URI."""
        return f"unix:{self.path}"


@dataclass(frozen=True)
class VsockAddress:
    """A socket between a host and its guest.

    Attributes
    ----------
    cid, port : int
        Context and port; 1 is this machine's own context, where its kernel has loopback, and
        4294967295 any, of a port one that the system chooses.
    """

    cid: int
    port: int

    def __str__(self) -> str:
        """Write it as QEMU's URI."""
        return f"vsock:{self.cid}:{self.port}"


@dataclass(frozen=True)
class FdAddress:
    """A file descriptor that is open already, or comes over a UNIX socket.

    Attributes
    ----------
    name : str
        Its number; or the path of a UNIX socket, with a slash in it, at which one message with
        the descriptor (``SCM_RIGHTS``) is waited for.
    """

    name: str

    def __str__(self) -> str:
        """Write it as QEMU's URI."""
        return f"fd:{self.name}"


@dataclass(frozen=True)
class ExecAddress:
    """A command, its input and output.

    Attributes
    ----------
    args : tuple of str
        The program and its arguments.
    """

    args: tuple[str, ...]

    def __str__(self) -> str:
        """Write it as QEMU's URI, where it has one."""
        shell = self.args[:2] == ("/bin/sh", "-c") and len(self.args) == 3
        return f"exec:{self.args[2] if shell else ' '.join(self.args)}"


@dataclass(frozen=True)
class FileAddress:
    """A file.

    Attributes
    ----------
    filename : str
        Its path.
    offset : int
        Where the stream begins in it, bytes.
    """

    filename: str
    offset: int = 0

    def __str__(self) -> str:
        """Write it as QEMU's URI."""
        return f"file:{os.fspath(self.filename)}" + (
            f",offset={self.offset}" if self.offset else ""
        )


Address = InetAddress | UnixAddress | VsockAddress | FdAddress | ExecAddress | FileAddress
