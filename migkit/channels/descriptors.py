"""Descriptors that are open already: by their number, or passed over a UNIX socket."""

from __future__ import annotations

import os
import socket
import stat

from migkit.errors import ChannelError

from .address import FdAddress, UnixAddress
from .sockets import bound, connected
from .transports import DescriptorTransport, SocketTransport, wait_for

__all__ = ["open_descriptor", "pass_descriptor", "transport_of"]


def open_descriptor(address: FdAddress, timeout_s: float | None) -> int:
    """Return a descriptor that is ours alone.

    Parameters
    ----------
    address : FdAddress
        A number, or a path at which a descriptor is waited for.
    timeout_s : float or None
        For how long.

    Returns
    -------
    int
        A duplicate of the number, or the one that came.

    Raises
    ------
    ChannelError
        If it is not open, or none comes.
    """
    if address.name.isdecimal():
        try:
            return os.dup(int(address.name))
        except (OSError, OverflowError):
            raise ChannelError.of(
                f"address {address}", "that descriptor is not open", "let the parent pass it on"
            ) from None
    with bound(UnixAddress(address.name)) as listening:
        try:
            if not wait_for([listening.fileno()], timeout_s):
                raise ChannelError.of(
                    f"address {address}", f"none came in {timeout_s} s", "pass one over the socket"
                )
            sender, _ = listening.accept()
            with sender:
                sender.settimeout(timeout_s)
                return _received(sender, address)
        finally:
            os.unlink(address.name)


def _received(sender: socket.socket, address: FdAddress) -> int:
    try:
        _, descriptors, _, _ = socket.recv_fds(sender, 1, 1)
    except OSError as error:
        descriptors = []
        reason = str(error)
    else:
        reason = "the message held no descriptor"
    if not descriptors:
        raise ChannelError.of(f"address {address}", reason, "send one byte with SCM_RIGHTS")
    return descriptors[0]


def pass_descriptor(path: str, descriptor: int, timeout_s: float | None = 10.0) -> None:
    """Pass a descriptor to who waits for one, by ``fd:PATH``.

    Parameters
    ----------
    path : str
        Of the UNIX socket.
    descriptor : int
        It stays open here too.
    timeout_s : float or None
        For how long a connection is tried.

    Raises
    ------
    ChannelError
        If nobody waits there.
    """
    with connected(UnixAddress(path), timeout_s) as there:
        socket.send_fds(there, [b"\0"], [descriptor])


def transport_of(descriptor: int) -> SocketTransport | DescriptorTransport:
    """Return what fits a descriptor: sockets can be ended in each direction, pipes can not."""
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        made = socket.socket(fileno=descriptor)
        made.setblocking(True)
        return SocketTransport(made)
    return DescriptorTransport(descriptor, descriptor)
