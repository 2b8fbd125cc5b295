"""Places where channels come in, as at a migration's destination."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
import warnings
from dataclasses import replace
from types import TracebackType
from typing import Self

from migkit.errors import ChannelError

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
from .connecting import of_socket, refuse_tls, spawned
from .descriptors import open_descriptor, transport_of
from .handshakes import Handshakes
from .sockets import bound, is_loopback
from .tls import TlsFiles, context_of
from .transports import DescriptorTransport, SocketTransport, wait_for

__all__ = ["Listener", "listen"]

_BREATH_S = 0.01


class Listener:
    """Accepts channels.

    Files, commands and descriptors give one channel; a second `accept` waits to its time limit.

    Parameters
    ----------
    address : Address
        Where.
    tls : TlsFiles, optional
        The server's credentials.

    Attributes
    ----------
    address : Address
        With the port that the system chose.
    """

    def __init__(self, address: Address, tls: TlsFiles | None = None) -> None:
        self.address = address
        self._tls = tls
        self._socket: socket.socket | None = None
        self._handshakes = None if tls is None else Handshakes(tls)
        self._descriptor: int | None = None
        self._taken = False
        self._wake, self._waker = os.pipe()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def gives_one(self) -> bool:
        """Whether no second channel can come: of a file, a command or a descriptor."""
        return isinstance(self.address, (ExecAddress, FileAddress, FdAddress))

    def _open(self) -> None:
        if isinstance(self.address, (ExecAddress, FileAddress)):
            refuse_tls(self.address, self._tls)
            return
        if self._tls is not None:
            context_of(self._tls, server=True)  # what is wrong with the files is told at once
        if isinstance(self.address, FdAddress):
            if self.address.name.isdecimal():
                self._descriptor = open_descriptor(self.address, None)
            return
        self._socket = bound(self.address)
        if isinstance(self.address, VsockAddress):
            self.address = replace(self.address, port=self._socket.getsockname()[1])
        if isinstance(self.address, InetAddress):
            host, port = self._socket.getsockname()[:2]
            self.address = replace(self.address, host=host, port=str(port), to=None)
            if not is_loopback(host):
                _say_exposed(self.address, self._tls)

    def accept(self, timeout_s: float | None = None) -> Channel:
        """Wait for the next channel.

        A client whose TLS handshake fails is warned of, and the next one waited for, as in QEMU.

        Parameters
        ----------
        timeout_s : float or None
            For how long; for ever if left out, or until `close` in another thread.

        Returns
        -------
        Channel
            Blocking.

        Raises
        ------
        ChannelError
            If none came, or the listener was closed.
        """
        if self.gives_one and not self._taken:
            self._taken = True
            return self._only(timeout_s)
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = None if end is None else end - time.monotonic()
            listening = [] if self._socket is None else [self._socket.fileno()]
            over = [] if self._handshakes is None else [self._handshakes.fileno()]
            if -1 not in listening and not wait_for([*listening, *over, self._wake], left):
                raise ChannelError.of(
                    f"listen on {self.address}", f"nobody came in {timeout_s} s", "wait longer"
                )
            if self._socket is None or wait_for([self._wake], 0.0):
                raise ChannelError.of(f"listen on {self.address}", "it was closed", "listen again")
            channel = self._shaken() or self._next(self._socket)
            if channel is not None:
                return channel

    def _shaken(self) -> Channel | None:
        """Return a channel whose handshake is over, and tell of one whose failed."""
        over = None if self._handshakes is None else self._handshakes.take()
        if isinstance(over, ChannelError):
            warnings.warn(str(over), RuntimeWarning, stacklevel=3)
            return None
        return over

    def _next(self, listening: socket.socket) -> Channel | None:
        """Accept a connection; with TLS its handshake begins."""
        try:
            if not wait_for([listening.fileno()], 0.0):
                return None
            made, peer = listening.accept()
        except (OSError, ValueError):  # it went away again, or too many descriptors are open
            time.sleep(_BREATH_S)
            return None
        made.setblocking(True)
        name = str(self.address)
        if isinstance(self.address, InetAddress) and isinstance(peer, tuple):
            name = f"tcp:{peer[0]}:{peer[1]}"
            if self.address.keep_alive:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._handshakes is None:
            return Channel(SocketTransport(made), name)
        self._handshakes.begin(made, name)
        return None

    def _only(self, timeout_s: float | None) -> Channel:
        """Return the one channel of what can give no second one."""
        if isinstance(self.address, ExecAddress):
            return spawned(self.address)
        if isinstance(self.address, FileAddress):
            return _read(self.address)
        assert isinstance(self.address, FdAddress)
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            descriptor = open_descriptor(self.address, timeout_s)
        transport = transport_of(descriptor)
        if isinstance(transport, DescriptorTransport):
            refuse_tls(self.address, self._tls)
            return Channel(transport, str(self.address))
        return of_socket(transport, str(self.address), self._tls, timeout_s, server=True)

    def close(self) -> None:
        """Accept no more; an `accept` that waits in another thread ends."""
        if self._waker < 0:
            return
        os.write(self._waker, b"\0")
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._handshakes is not None:
            self._handshakes.close()
        made, self._socket = self._socket, None
        if made is not None:
            made.close()
            if isinstance(self.address, UnixAddress) and not self.address.path.startswith("\0"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.address.path)
        os.close(self._waker)
        self._waker = -1

    def __enter__(self) -> Self:
        """Begin a with-statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def __del__(self) -> None:
        """Let go of the descriptor that `close` leaves for an `accept` that still waits."""
        self.close()
        os.close(self._wake)
        if self._handshakes is not None:
            self._handshakes.release()


def listen(address: Address, tls: TlsFiles | None = None) -> Listener:
    """Wait for channels as a migration's destination does.

    Parameters
    ----------
    address : Address
        TCP without a host is loopback; any other that others can reach is warned of.
    tls : TlsFiles, optional
        The server's credentials; sockets only.

    Returns
    -------
    Listener
        To be closed, or used in a with-statement.

    Raises
    ------
    ChannelError
        If the place is taken or not allowed.
    """
    return Listener(address, tls)


def _read(address: FileAddress) -> Channel:
    try:
        made = os.open(address.filename, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if stat.S_ISDIR(os.fstat(made).st_mode):
                raise ChannelError.of(f"read {address}", "is a folder", "name a file")
            os.lseek(made, address.offset, os.SEEK_SET)
        except BaseException:
            os.close(made)
            raise
    except OSError as error:
        raise ChannelError.of(
            f"read {address}", error.strerror or str(error), "give a file that is there"
        ) from None
    return Channel(DescriptorTransport(made, None), str(address))


def _say_exposed(address: InetAddress, tls: TlsFiles | None) -> None:
    known = tls is not None and tls.verify_peer
    who = "whoever has a certificate of its authority" if known else "anyone who reaches it"
    warnings.warn(
        f"listening on {address} · not only this machine: {who} may connect · "
        "use tcp:127.0.0.1 unless that is meant",
        RuntimeWarning,
        stacklevel=4,
    )
