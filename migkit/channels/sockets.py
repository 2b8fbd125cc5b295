"""Sockets of QEMU's addresses: families, options, and a clear word where one is missing.

Source: util/qemu-sockets.c.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Any

from migkit.errors import ChannelError

from .address import Address, InetAddress, UnixAddress, VsockAddress

__all__ = ["bound", "connected", "family_of", "is_loopback"]

_BACKLOG = 128
VMADDR_CID_LOCAL = 1


def family_of(address: InetAddress) -> socket.AddressFamily:
    """Return the family that an address allows."""
    if address.ipv4 and address.ipv6:
        return socket.AF_UNSPEC
    if address.ipv6 or address.ipv4 is False:
        return socket.AF_INET6
    if address.ipv4 or address.ipv6 is False:
        return socket.AF_INET
    return socket.AF_UNSPEC


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens there."""
    return host in {"::1", "localhost"} or host.startswith("127.")


def connected(address: Address, timeout_s: float | None) -> socket.socket:
    """Connect a socket.

    Parameters
    ----------
    address : InetAddress, UnixAddress or VsockAddress
        Where.
    timeout_s : float or None
        For how long it is tried.

    Returns
    -------
    socket
        Blocking.

    Raises
    ------
    ChannelError
        If nobody answers there.
    """
    failed: OSError | None = None
    for family, protocol, where in _places(address, listening=False):
        made = _socket(family, protocol, address)
        made.settimeout(timeout_s)
        try:
            made.connect(where)
        except OSError as error:
            made.close()
            failed = error
            continue
        made.settimeout(None)
        _set_options(made, address)
        return made
    remedy = "start the peer first, and check the address"
    raise _cannot("connect to", address, failed, _VSOCK.get(_kind(address), remedy))


def bound(address: Address) -> socket.socket:
    """Make a socket that listens.

    Parameters
    ----------
    address : InetAddress, UnixAddress or VsockAddress
        Where; TCP without a host is loopback, and ports up to ``to`` are tried.

    Returns
    -------
    socket
        Listening.

    Raises
    ------
    ChannelError
        If the place is taken or not allowed.
    """
    failed: OSError | None = None
    for family, protocol, where in _places(address, listening=True):
        made = _socket(family, protocol, address)
        try:
            if isinstance(address, InetAddress):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6 and address.ipv4 is not True:
                    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if isinstance(address, UnixAddress):
                _remove_socket(address.path)
            made.bind(where)
            made.listen(_BACKLOG)
        except OSError as error:
            made.close()
            failed = error
            continue
        return made
    remedy = "use a free place of this machine"
    raise _cannot("listen on", address, failed, _VSOCK.get(_kind(address), remedy))


_VSOCK = {
    "loopback": "load the kernel's vsock_loopback module, or use unix:",
    "vsock": "check the CID: 2 is the host, 4294967295 any of this machine; and the port",
}


def _kind(address: Address) -> str:
    if not isinstance(address, VsockAddress):
        return ""
    return "loopback" if address.cid == VMADDR_CID_LOCAL else "vsock"


def _places(address: Address, *, listening: bool) -> list[tuple[socket.AddressFamily, int, Any]]:
    if isinstance(address, UnixAddress):
        return [(socket.AF_UNIX, 0, address.path)]
    if isinstance(address, VsockAddress):
        if not hasattr(socket, "AF_VSOCK") or not Path("/dev/vsock").exists():
            raise ChannelError.of(
                f"address {address}",
                "this machine has no vsock",
                "load the kernel's vsock module (vhost_vsock on a host), or use tcp: or unix:",
            )
        return [(socket.AF_VSOCK, 0, (address.cid, address.port))]
    assert isinstance(address, InetAddress)
    host = address.host or ("::1" if family_of(address) == socket.AF_INET6 else "127.0.0.1")
    ports = [address.port]
    if listening and address.to is not None:
        ports = [str(port) for port in range(int(address.port), address.to + 1)]
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV if address.numeric else 0
    try:
        found = [
            (family, where)
            for port in ports
            for family, _, _, _, where in socket.getaddrinfo(
                host, port, family_of(address), socket.SOCK_STREAM, 0, flags
            )
        ]
    except OSError as error:
        raise _cannot("find", address, error, "give a name or a number that is known") from None
    protocol = getattr(socket, "IPPROTO_MPTCP", 262) if address.mptcp else 0
    return [(family, protocol, where) for family, where in found]


def _socket(family: socket.AddressFamily, protocol: int, address: Address) -> socket.socket:
    try:
        return socket.socket(family, socket.SOCK_STREAM, protocol)
    except OSError as error:
        raise _cannot("make a socket for", address, error, "use another transport") from None


def _set_options(made: socket.socket, address: Address) -> None:
    if isinstance(address, InetAddress) and address.keep_alive:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _remove_socket(path: str) -> None:
    """Remove a socket that nobody listens on any more; anything else stays."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)


def _cannot(what: str, address: Address, error: OSError | None, fix: str) -> ChannelError:
    reason = (error.strerror or str(error)) if error is not None else "no address of it is usable"
    return ChannelError.of(f"{what} {address}", reason, fix)
