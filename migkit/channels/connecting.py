"""Connections to where someone waits, by any transport."""

from __future__ import annotations

import os
import socket
import subprocess

from migkit.errors import ChannelError

from .address import Address, ExecAddress, FdAddress, FileAddress, InetAddress
from .channel import Channel
from .descriptors import open_descriptor, transport_of
from .sockets import connected
from .tls import TlsFiles, context_of
from .tls_transport import handshake
from .transports import DescriptorTransport, SocketTransport

__all__ = ["connect", "of_socket", "refuse_tls", "spawned"]

HANDSHAKE_S = 60.0


def connect(
    address: Address, tls: TlsFiles | None = None, timeout_s: float | None = 10.0
) -> Channel:
    """Open a channel as a migration's source does.

    Parameters
    ----------
    address : Address
        A file is made or shortened to its offset, and written only.
    tls : TlsFiles, optional
        The client's credentials; sockets only.
    timeout_s : float or None
        For how long a connection is tried.

    Returns
    -------
    Channel
        Blocking.

    Raises
    ------
    ChannelError
        If it cannot be opened.
    """
    if isinstance(address, (ExecAddress, FileAddress)):
        refuse_tls(address, tls)
        return spawned(address) if isinstance(address, ExecAddress) else _written(address)
    if isinstance(address, FdAddress):
        transport = transport_of(open_descriptor(address, timeout_s))
        if isinstance(transport, DescriptorTransport):
            refuse_tls(address, tls)
            return Channel(transport, str(address))
        return of_socket(transport, str(address), tls, timeout_s, server=False)
    if tls is not None:
        context_of(tls, server=False)  # what is wrong with the files is told before any work
    host = address.host if isinstance(address, InetAddress) else ""
    made = SocketTransport(connected(address, timeout_s))
    return of_socket(made, str(address), tls, timeout_s, server=False, hostname=host)


def of_socket(
    transport: SocketTransport,
    peer: str,
    tls: TlsFiles | None,
    timeout_s: float | None,
    *,
    server: bool,
    hostname: str = "",
) -> Channel:
    """Make a channel of a connected socket, with TLS where credentials are given."""
    if tls is None:
        return Channel(transport, peer)
    try:
        transport.limit(HANDSHAKE_S if timeout_s is None else timeout_s)
        session = handshake(transport, tls, peer, server=server, hostname=hostname)
        transport.limit(None)
    except BaseException:
        transport.close()
        raise
    return Channel(session, peer)


def refuse_tls(address: Address, tls: TlsFiles | None) -> None:
    """Refuse credentials where nobody could use them."""
    if tls is not None:
        raise ChannelError.of(
            f"TLS on {address}", "only sockets have it", "leave the credentials out, or use tcp:"
        )


def spawned(address: ExecAddress) -> Channel:
    """Start a command; its input is written to, its output read."""
    try:
        child = subprocess.Popen(
            address.args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
    except OSError as error:
        raise ChannelError.of(
            f"start {address}", error.strerror or str(error), "give a program that is there"
        ) from None
    assert child.stdin is not None
    assert child.stdout is not None
    read, write = os.dup(child.stdout.fileno()), os.dup(child.stdin.fileno())
    child.stdout.close()
    child.stdin.close()
    return Channel(DescriptorTransport(read, write, child), str(address))


def _written(address: FileAddress) -> Channel:
    try:
        made = os.open(address.filename, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        os.ftruncate(made, address.offset)
        os.lseek(made, address.offset, os.SEEK_SET)
    except OSError as error:
        raise ChannelError.of(
            f"write {address}", error.strerror or str(error), "give a path that can be written"
        ) from None
    return Channel(DescriptorTransport(None, made), str(address))


def socket_pair() -> tuple[Channel, Channel]:
    """Return two channels that are connected to each other, within this process."""
    one, other = socket.socketpair()
    return (
        Channel(SocketTransport(one), "socket pair"),
        Channel(SocketTransport(other), "socket pair"),
    )
