"""Transports and disks in the units that people write: ``transport="file,offset=1MiB"``."""

from __future__ import annotations

import dataclasses

from migkit.errors import ScenarioError
from migkit.host import HostProfile
from migkit.network.transport import Transport
from migkit.units import parse_bytes, parse_rate

__all__ = ["parse_transport", "with_disk"]


def parse_transport(written: str | Transport) -> Transport:
    """Read a transport.

    Parameters
    ----------
    written : str or Transport
        ``"tcp"``, ``"file"``, ``"file,offset=1MiB"`` or ``"exec"``.

    Returns
    -------
    Transport
        The transport.

    Raises
    ------
    InputError
        If it is none of these, or the offset is no size.

    Examples
    --------
    >>> parse_transport("file,offset=4KiB")
    Transport(kind='file', offset_bytes=4096)
    """
    if isinstance(written, Transport):
        return written
    kind, comma, option = str(written).partition(",")
    if not comma:
        return Transport(kind)
    name, equals, size = option.partition("=")
    if name != "offset" or not equals:
        raise ScenarioError.of(
            f"transport {written!r}",
            "allowed offset=SIZE after the comma",
            "write file,offset=1MiB",
        )
    return Transport(kind, parse_bytes(size, "transport offset"))


def with_disk(
    host: HostProfile,
    transport: Transport,
    bandwidth: str | int | None,
    cache: str | int | None,
) -> HostProfile:
    """Give a host another disk.

    Parameters
    ----------
    host : HostProfile
        The machine.
    transport : Transport
        Where the stream goes; only a file has a disk.
    bandwidth : str or int, optional
        What its disk takes: ``"500MB/s"``, or bytes per second; 0 never lets a write wait.
    cache : str or int, optional
        What may be dirty in the page cache: ``"1GiB"``, or bytes.

    Returns
    -------
    HostProfile
        The machine with that disk.

    Raises
    ------
    InputError
        If a value is no rate or no size, or the stream goes to no file.
    """
    for name, value in (("disk_bandwidth", bandwidth), ("disk_cache", cache)):
        if value is not None and transport.kind != "file":
            raise ScenarioError.of(
                f"{name} {value}",
                f"transport {transport.kind} writes to no disk",
                "use the transport file, or leave it out",
            )
    changes: dict[str, int] = {}
    if bandwidth is not None:
        changes["bandwidth_bytes_per_s"] = parse_rate(bandwidth, "disk_bandwidth")
    if cache is not None:
        changes["cache_bytes"] = parse_bytes(cache, "disk_cache")
    if not changes:
        return host
    return dataclasses.replace(host, storage=dataclasses.replace(host.storage, **changes))
