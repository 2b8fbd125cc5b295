"""Addresses as they are written: QEMU's URIs and its JSON ``channels``.

Sources: migration/migration.c (migrate_uri_parse), util/qemu-sockets.c (inet_parse, socket_parse),
qapi/migration.json (MigrationChannel).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from migkit.errors import ChannelError, did_you_mean
from migkit.units import parse_bytes

from .address import (
    Address,
    ExecAddress,
    FileAddress,
    InetAddress,
)
from .json_form import address_of_json, check_inet, check_port, main_channel

__all__ = ["parse_address"]

_FORMS = "tcp:HOST:PORT, unix:PATH, vsock:CID:PORT, fd:NUMBER, exec:COMMAND or file:PATH"
_SWITCHES = ("ipv4", "ipv6", "numeric", "keep-alive", "mptcp")


def parse_address(written: str | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Address:
    """Read an address.

    Parameters
    ----------
    written : str, mapping or sequence of mapping
        A URI of QEMU; or its JSON form, as text or as objects: a list of ``channels``, one entry
        of such a list, or its ``addr`` alone.

    Returns
    -------
    Address
        One of the classes of `migkit.channels.address`.

    Raises
    ------
    ChannelError
        If it is not one, with the form that is allowed.

    Examples
    --------
    >>> parse_address("tcp:127.0.0.1:4444")
    InetAddress(host='127.0.0.1', port='4444', to=None, ipv4=None, ipv6=None, numeric=False, \
keep_alive=False, mptcp=False)
    >>> parse_address("file:/srv/guest.mig,offset=4k")
    FileAddress(filename='/srv/guest.mig', offset=4096)
    >>> parse_address({"transport": "socket", "type": "unix", "path": "/run/mig.sock"})
    UnixAddress(path='/run/mig.sock')
    """
    if not isinstance(written, str):
        return address_of_json(main_channel(written))
    if written.lstrip()[:1] in {"{", "["}:
        try:
            document = json.loads(written)
        except ValueError as error:
            raise ChannelError.of(
                f"address {written[:60]}", f"no JSON: {error}", "write it as QEMU's channels"
            ) from None
        return address_of_json(main_channel(document))
    scheme, colon, rest = written.partition(":")
    read = _READERS.get(scheme)
    if not colon or read is None:
        fix = did_you_mean(scheme, _READERS) if colon else f"write {_FORMS}"
        if re.fullmatch(r"[^:]+:\d+", written):
            fix = f"did you mean tcp:{written}?"
        raise ChannelError.of(f"address {written!r}", f"unknown migration protocol: {scheme}", fix)
    return read(rest, written)


def _tcp(rest: str, written: str) -> Address:
    place, *options = rest.split(",")
    if place.startswith("["):
        host, bracket, port = place[1:].partition("]:")
        found = bool(bracket)
    else:
        host, colon, port = place.rpartition(":")
        found = bool(colon) and ":" not in host
    if not found:
        raise ChannelError.of(
            f"address {written!r}",
            "no host and port in it",
            "write tcp:HOST:PORT, an IPv6 number in brackets",
        )
    values: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if name == "to" and equals:
            values["to"] = check_port(value, "to", written)
        elif name in _SWITCHES and value in {"on", "off", ""}:
            values[name.replace("-", "_")] = value != "off"
        else:
            raise ChannelError.of(
                f"option {option!r} of {written!r}",
                f"allowed to=PORT and =on or =off of {', '.join(_SWITCHES)}",
                "write one of these",
            )
    return check_inet(InetAddress(host, port, **values), written)


def _unix(rest: str, written: str) -> Address:
    return address_of_json({"transport": "socket", "type": "unix", "path": rest}, written)


def _vsock(rest: str, written: str) -> Address:
    cid, colon, port = rest.partition(":")
    if not colon:
        raise ChannelError.of(
            f"address {written!r}", "allowed two numbers", "write vsock:CID:PORT"
        )
    return address_of_json(
        {"transport": "socket", "type": "vsock", "cid": cid, "port": port}, written
    )


def _fd(rest: str, written: str) -> Address:
    return address_of_json({"transport": "socket", "type": "fd", "str": rest}, written)


def _exec(rest: str, written: str) -> Address:
    if not rest:
        raise ChannelError.of(f"address {written!r}", "no command in it", "write exec:COMMAND")
    return ExecAddress(("/bin/sh", "-c", rest))


def _file(rest: str, written: str) -> Address:
    path, mark, offset = rest.partition(",offset=")
    if not path:
        raise ChannelError.of(f"address {written!r}", "no path in it", "write file:PATH")
    return FileAddress(path, _size(offset, written) if mark else 0)


def _size(text: str, written: str) -> int:
    try:
        return parse_bytes(text, "offset")
    except ValueError:
        raise ChannelError.of(
            f"address {written!r}", f"offset {text!r} is no size", "write bytes, or 4k, 1M, 2G"
        ) from None


_READERS = {
    "tcp": _tcp,
    "unix": _unix,
    "vsock": _vsock,
    "fd": _fd,
    "exec": _exec,
    "file": _file,
}
