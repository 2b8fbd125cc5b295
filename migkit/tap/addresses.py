"""Where a tap listens, and what it connects to: sockets on both sides."""

from __future__ import annotations

from migkit.channels import Address, ExecAddress, FileAddress, parse_address
from migkit.errors import InputError

__all__ = ["socket_address"]


def socket_address(address: str | Address) -> Address:
    """Return an address of a socket.

    Raises
    ------
    InputError
        If it is not an address, or one of a file or command.
    """
    made = address if isinstance(address, Address) else parse_address(address)
    if isinstance(made, (ExecAddress, FileAddress)):
        raise InputError.of(
            f"address {made}",
            "allowed tcp:HOST:PORT, unix:PATH, vsock:CID:PORT, fd:NAME",
            "give sockets on both sides of a tap",
        )
    return made
