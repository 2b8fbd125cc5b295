"""QEMU's JSON form of addresses: members, their types, and which must be there.

Source: qapi/migration.json (MigrationChannel, MigrationAddress), qapi/sockets.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migkit.errors import ChannelError, did_you_mean

from .address import (
    Address,
    ExecAddress,
    FdAddress,
    FileAddress,
    InetAddress,
    UnixAddress,
    VsockAddress,
)

__all__ = ["address_of_json", "check_inet", "check_port", "main_channel"]

_LONGEST_UNIX_PATH = 107
_MOST_VSOCK = (1 << 32) - 1
_CHANNEL_TYPES = ("main", "cpr")


def main_channel(document: object) -> Mapping[str, Any]:
    """Return the address of the main channel in a ``channels`` list, an entry, or an address."""
    if isinstance(document, Mapping) and "transport" in document:
        return document
    entries = [document] if isinstance(document, Mapping) else document
    if not isinstance(entries, (list, tuple)) or not entries:
        raise _wrong("channels", f"{document!r}", "give a list with one entry of type main")
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        _members(entry, "channel", {"channel-type": str, "addr": Mapping}, {})
        kind = entry["channel-type"]
        if kind not in _CHANNEL_TYPES:
            raise _wrong("channel-type", repr(kind), did_you_mean(kind, _CHANNEL_TYPES))
        if kind in found:
            raise _wrong("channels", f"more than one {kind} entry", "give each type once")
        found[kind] = entry["addr"]
    if "cpr" in found:
        raise _wrong("channels", "a cpr entry", "leave it out: the files of a host stay with QEMU")
    if "main" not in found:
        raise _wrong("channels", "no main entry", "give one of type main")
    return found["main"]


def address_of_json(addr: Mapping[str, Any], written: str | None = None) -> Address:
    """Read a ``MigrationAddress``.

    Parameters
    ----------
    addr : mapping
        Its members.
    written : str, optional
        How the user wrote it, for errors.

    Returns
    -------
    Address
        Of its transport.

    Raises
    ------
    ChannelError
        If a member is missing, unknown or of another type.
    """
    transport = addr.get("transport")
    if transport == "socket":
        return _socket(addr, written or str(dict(addr)))
    if transport == "exec":
        _members(addr, "exec", {"transport": str, "args": list}, {})
        args = addr["args"]
        if not args or not all(isinstance(word, str) for word in args):
            raise _wrong("args", repr(args), "give the program and its arguments as text")
        return ExecAddress(tuple(args))
    if transport == "file":
        _members(addr, "file", {"transport": str, "filename": str}, {"offset": int})
        if not addr["filename"] or not 0 <= addr.get("offset", 0) < 1 << 63:
            raise _wrong("file", repr(dict(addr)), "give a filename, and an offset from 0 up")
        return FileAddress(addr["filename"], addr.get("offset", 0))
    if transport == "rdma":
        raise _wrong("transport", "rdma is not spoken", "use socket, exec or file")
    raise _wrong("transport", repr(transport), "use one of: socket, exec, file")


def _socket(addr: Mapping[str, Any], written: str) -> Address:
    kind = addr.get("type")
    base = {"transport": str, "type": str}
    if kind == "inet":
        switches = dict.fromkeys(("ipv4", "ipv6", "numeric", "keep-alive", "mptcp"), bool)
        _members(addr, "inet", base | {"host": str, "port": (str, int)}, {"to": int} | switches)
        named = {n.replace("-", "_"): addr[n] for n in (*switches, "to") if n in addr}
        return check_inet(InetAddress(addr["host"], str(addr["port"]), **named), written)
    if kind == "unix":
        optional = {"abstract": bool, "tight": bool}
        _members(addr, "unix", base | {"path": str}, optional)
        path = addr["path"]
        if not path or "\0" in path or len(path.encode()) > _LONGEST_UNIX_PATH:
            raise _wrong(
                f"address {written!r}",
                f"invalid Unix socket address, allowed 1..{_LONGEST_UNIX_PATH} B",
                "give a shorter path",
            )
        return UnixAddress("\0" + path if addr.get("abstract") else path)
    if kind == "vsock":
        _members(addr, "vsock", base | {"cid": (str, int), "port": (str, int)}, {})
        numbers = [str(addr[name]) for name in ("cid", "port")]
        if not all(n.isdecimal() and int(n) <= _MOST_VSOCK for n in numbers):
            raise _wrong(
                f"address {written!r}",
                f"allowed two numbers up to {_MOST_VSOCK}",
                "write vsock:CID:PORT",
            )
        return VsockAddress(int(numbers[0]), int(numbers[1]))
    if kind == "fd":
        _members(addr, "fd", base | {"str": str}, {})
        name = addr["str"]
        if not (name.isdecimal() or "/" in name):
            raise _wrong(
                f"address {written!r}",
                f"descriptor {name!r} is no number",
                "give a number, or the path of a UNIX socket over which it comes",
            )
        return FdAddress(name)
    raise _wrong("type of a socket", repr(kind), "use one of: inet, unix, vsock, fd")


def check_inet(address: InetAddress, written: str) -> InetAddress:
    """Refuse a TCP address that QEMU refuses."""
    port = check_port(address.port, "port", written) if address.port.isdecimal() else None
    if port is None and not address.port.replace("-", "").isalnum():
        raise _wrong(f"address {written!r}", f"port {address.port!r}", "give 0..65535")
    if address.ipv4 is False and address.ipv6 is False:
        raise _wrong(
            f"address {written!r}", "cannot disable IPv4 and IPv6 at same time", "allow one"
        )
    if address.to is not None:
        check_port(str(address.to), "to", written)
        if port is None or address.to < port:
            raise _wrong(
                f"address {written!r}", f"to={address.to}", "give a port behind the first"
            )
    return address


def check_port(text: str, name: str, written: str) -> int:
    """Read a port's number."""
    if not (text.isdecimal() and int(text) <= 65535):
        raise _wrong(f"address {written!r}", f"{name} {text!r}, allowed 0..65535", "give a number")
    return int(text)


def _members(
    found: object, name: str, needed: Mapping[str, Any], optional: Mapping[str, Any]
) -> None:
    if not isinstance(found, Mapping):
        raise _wrong(name, f"{found!r} is no object", "write it as QEMU's JSON")
    known = dict(needed) | dict(optional)
    for member, value in found.items():
        if member not in known:
            raise _wrong(f"member {member!r} of {name}", "not known", did_you_mean(member, known))
        wanted = known[member]
        if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
            raise _wrong(f"member {member!r} of {name}", f"{value!r}", "give it QEMU's type")
    missing = [member for member in needed if member not in found]
    if missing:
        raise _wrong(name, f"without {', '.join(missing)}", "add what is missing")


def _wrong(asked: str, found: str, fix: str) -> ChannelError:
    return ChannelError.of(asked, found, fix)
