"""The destination's query-migrate of a simulation: its state, and how long vCPUs waited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NS_PER_MS = 1_000_000


def destination_summary_of(recording: Mapping[str, Any]) -> dict[str, Any]:
    """Nest what the destination accounted as its query-migrate does.

    Parameters
    ----------
    recording : mapping
        With ``destination_state`` and ``blocktime``; None without postcopy-blocktime.

    Returns
    -------
    dict
        ``status``; once completed, with the capability, ``postcopy-blocktime`` and
        ``postcopy-vcpu-blocktime`` (ms), and since 10.1 the latencies (ns): migration/migration.c
        (fill_destination_migration_info), migration/postcopy-ram.c
        (fill_destination_postcopy_migration_info).

    Examples
    --------
    >>> destination_summary_of({"destination_state": "completed", "blocktime": None})
    {'status': 'completed'}
    """
    summary: dict[str, Any] = {"status": recording["destination_state"]}
    account = recording["blocktime"]
    if account is None or summary["status"] != "completed":
        return summary
    unit = _NS_PER_MS if account["in_ns"] else 1
    summary["postcopy-blocktime"] = account["total"] // unit
    summary["postcopy-vcpu-blocktime"] = [total // unit for total in account["vcpu_total"]]
    if account["in_ns"]:
        summary |= _latencies(account)
    return summary


def _latencies(account: Mapping[str, Any]) -> dict[str, Any]:
    """Means over all faults of what their vCPUs were counted: lower bounds, as QEMU gives them."""
    totals, faults = account["vcpu_total"], account["vcpu_faults"]
    return {
        "postcopy-latency": sum(totals) // sum(faults) if sum(faults) else 0,
        "postcopy-latency-dist": list(account["latency_counts"]),
        "postcopy-vcpu-latency": [
            total // count if count else 0 for total, count in zip(totals, faults, strict=True)
        ],
        # Every fault of the simulation is a vCPU's.
        "postcopy-non-vcpu-latency": 0,
    }
