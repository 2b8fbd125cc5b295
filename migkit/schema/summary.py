"""The fields of query-migrate that a summary holds, and our counters they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_RUNNING = (
    "active",
    "cancelling",
    "postcopy-device",
    "postcopy-active",
    "postcopy-paused",
    "postcopy-recover-setup",
    "postcopy-recover",
    "pre-switchover",
    "device",
)
_POSTCOPY = tuple(state for state in _RUNNING if state.startswith("postcopy"))
_WITH_RAM = (*_RUNNING, "completed")


@dataclass(frozen=True)
class SummaryField:
    """One field of query-migrate.

    Parameters
    ----------
    path : tuple of str
        QEMU's names from the outside in, such as ``("ram", "precopy-bytes")``.
    counter : str
        The same value in a recording's counters.
    dtype : str
        Python type of the value.
    unit : str
        Unit of the value; empty for names.
    meaning : str
        What the value says.
    states : tuple of str
        States in which QEMU reports it; empty for all.
    when_nonzero : bool
        Reported only when it is not 0.
    """

    path: tuple[str, ...]
    counter: str
    dtype: str
    unit: str
    meaning: str
    states: tuple[str, ...] = ()
    when_nonzero: bool = False


def _time(name: str, meaning: str, states: tuple[str, ...]) -> SummaryField:
    counter = name.replace("-", "_") + "_ms"
    return SummaryField((name,), counter, "int", "ms", meaning, states)


def _ram(name: str, counter: str, unit: str, meaning: str, dtype: str = "int") -> SummaryField:
    return SummaryField(("ram", name), counter, dtype, unit, meaning, _WITH_RAM)


def _xbzrle(
    name: str, unit: str, meaning: str, dtype: str = "int", *, counter: str = ""
) -> SummaryField:
    counter = "xbzrle_" + (counter or name.replace("-", "_"))
    return SummaryField(("xbzrle-cache", name), counter, dtype, unit, meaning, _WITH_RAM)


_PRECOPY = tuple(state for state in _RUNNING if state not in _POSTCOPY)

SUMMARY: Final = (
    SummaryField(("status",), "status", "str", "", "state of the migration"),
    _time("setup-time", "time of the setup stage", _WITH_RAM),
    _time("total-time", "time since migrate, frozen at completion", _WITH_RAM),
    _time("expected-downtime", "downtime that completing now would cost", _PRECOPY),
    _time("downtime", "time the guest stood still", (*_POSTCOPY, "completed")),
    _ram(
        "transferred",
        "transferred_bytes",
        "bytes",
        "bytes flushed, everything included",
    ),
    _ram("total", "total_bytes", "bytes", "used length of all migrated RAM blocks"),
    _ram("remaining", "remaining_bytes", "bytes", "dirty memory left; 0 once completed"),
    _ram("duplicate", "duplicate_pages", "pages", "zero pages sent"),
    _ram("normal", "normal_pages", "pages", "pages sent with their contents"),
    _ram("normal-bytes", "normal_bytes", "bytes", "normal times the page size"),
    _ram("mbps", "mbps", "Mbit/s", "bandwidth of the last window, or of the run", "float"),
    _ram("dirty-sync-count", "dirty_sync_count", "", "dirty-bitmap syncs"),
    _ram(
        "dirty-sync-missed-zero-copy",
        "dirty_sync_missed_zero_copy",
        "",
        "zero-copy fallbacks",
    ),
    _ram("postcopy-requests", "postcopy_requests", "", "page requests of the destination"),
    _ram("page-size", "page_size_bytes", "bytes", "size of a target page"),
    _ram("multifd-bytes", "multifd_bytes", "bytes", "bytes sent through multifd channels"),
    _ram(
        "pages-per-second",
        "pages_per_second",
        "pages/s",
        "pages sent, of the last window",
    ),
    _ram(
        "dirty-pages-rate",
        "dirty_pages_rate_per_s",
        "pages/s",
        "pages dirtied; 0 at the end",
    ),
    _ram(
        "precopy-bytes",
        "precopy_bytes",
        "bytes",
        "RAM bytes put while the guest ran here",
    ),
    _ram(
        "downtime-bytes",
        "downtime_bytes",
        "bytes",
        "RAM bytes put while the guest stood still",
    ),
    _ram("postcopy-bytes", "postcopy_bytes", "bytes", "RAM bytes put in postcopy"),
    _xbzrle("cache-size", "bytes", "size of the page cache", counter="cache_size_bytes"),
    _xbzrle("bytes", "bytes", "records without their 8-byte headers; an overflow counts a page"),
    _xbzrle("pages", "pages", "pages the cache had, unchanged ones among them"),
    _xbzrle("cache-miss", "pages", "pages the cache had not"),
    _xbzrle("cache-miss-rate", "", "misses a page sent, of the last period", "float"),
    _xbzrle("encoding-rate", "", "pages over records in bytes, of the last period", "float"),
    _xbzrle("overflow", "pages", "pages whose delta was larger than the page"),
    SummaryField(
        ("vfio", "transferred"),
        "vfio_transferred_bytes",
        "int",
        "bytes",
        "state of VFIO devices sent",
        _WITH_RAM,
        when_nonzero=True,
    ),
    SummaryField(
        ("cpu-throttle-percentage",),
        "cpu_throttle_percentage",
        "int",
        "%",
        "throttle of the guest's vCPUs",
        _RUNNING,
        when_nonzero=True,
    ),
    SummaryField(
        ("dirty-limit-throttle-time-per-round",),
        "dirty_limit_throttle_time_per_round_us",
        "int",
        "us",
        "longest sleep of a vCPU with a full dirty ring; only while a dirty limit holds",
        _RUNNING,
    ),
    SummaryField(
        ("dirty-limit-ring-full-time",),
        "dirty_limit_ring_full_time_us",
        "int",
        "us",
        "time to fill a dirty ring at the vCPUs' average rate; only while a dirty limit holds",
        _RUNNING,
    ),
)
"""What `Migration.summary` holds: migration/migration.c (fill_source_migration_info)."""
