"""QEMU's counters from the bytes of a stream, to the byte where the stream tells them.

Sources: migration/migration-stats.h, migration/ram.c (ram_transferred_add).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import wire

if TYPE_CHECKING:
    import pandas as pd

    from .stream import Stream

__all__ = ["counters_of"]

_EOS_BYTES = 8
_PAGES = ("normal_pages", "zero_pages")


def counters_of(stream: Stream) -> dict[str, int]:
    """Count what query-migrate counts.

    Parameters
    ----------
    stream : Stream
        Any.

    Returns
    -------
    dict
        ``normal``, ``duplicate``, ``precopy-bytes``, ``downtime-bytes``, ``postcopy-bytes``,
        ``multifd-bytes``, ``transferred`` and, where there are such pages, ``xbzrle-pages`` and
        ``xbzrle-bytes`` (records without their first 8 bytes). Of a mapped-ram file only
        ``present-pages``: a page that was sent twice has one place.
    """
    blocks = stream.blocks
    if blocks["present_pages"].notna().any():
        return {"present-pages": int(blocks["present_pages"].sum())}
    records = stream.records
    ram = records[records["name"] == "ram"]
    opened = records.index[records["name"] == "PACKAGED"]
    after = ram.index > opened[0] if len(opened) else ram.index < 0
    parts, ends = ram["kind"] == "part", ram["kind"] == "end"
    rounds, packets = stream.rounds, stream.packets
    urgent = int(rounds.loc[rounds["channel"] == "preempt", "page_bytes"].sum())
    multifd = int(packets["bytes"].sum())
    multifd += wire.MULTIFD_INIT_BYTES * packets["channel_id"].nunique()
    precopy = _iterated(ram[parts & ~after]) - _prepared(records, ram[parts & ~after], opened)
    package = int(records.loc[opened, "value"].sum())
    counted = {
        "normal": int(rounds["normal_pages"].sum()),
        "duplicate": int(rounds["zero_pages"].sum()),
        "precopy-bytes": precopy,
        "downtime-bytes": int(ram.loc[ends & ~after, "page_bytes"].sum()),
        "postcopy-bytes": _iterated(ram[parts & after])
        + int(ram.loc[ends & after, "page_bytes"].sum())
        + urgent,
        "multifd-bytes": multifd,
        "transferred": stream.size - stream.trailing_bytes + package + urgent + multifd,
    }
    differences = int(rounds["xbzrle_pages"].sum())
    if differences:
        counted |= {"xbzrle-pages": differences, "xbzrle-bytes": int(ram["xbzrle_bytes"].sum())}
    return counted


def _iterated(parts: pd.DataFrame) -> int:
    return int(parts["page_bytes"].sum()) + _EOS_BYTES * len(parts)


def _prepared(records: pd.DataFrame, parts: pd.DataFrame, opened: pd.Index) -> int:
    """Return what 10.1 and later write before postcopy without counting it: an end of section."""
    if not len(opened) or parts.empty or parts["page_bytes"].iloc[-1]:
        return 0
    pings = records["in_package"].fillna(value=False) & (records["name"] == "PING")
    newer = (records.loc[pings, "value"] == wire.PING_PACKAGE_LOADED).any()
    return _EOS_BYTES if newer else 0
