"""The summary of a migration in the shape of query-migrate, from counters and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migkit.schema import SUMMARY

_PAGE_BYTES = 4096

RUN_STATE_COUNTERS = ("run_state_source", "run_state_destination")
"""Counters that hold the run states of the two virtual machines at the end."""


def recorded_counters(recording: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counters of a recording, and the run states among them.

    Parameters
    ----------
    recording : mapping
        What the engine or its oracle returned.

    Returns
    -------
    dict
        Lists for tuples, as JSON gives them back: a stored migration is to be equal.
    """
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in recording["counters"].items()
    }
    return plain | dict(zip(RUN_STATE_COUNTERS, recording["run_states"], strict=True))


def summary_of(counters: Mapping[str, Any]) -> dict[str, Any]:
    """Nest the counters of a simulation as query-migrate does.

    Parameters
    ----------
    counters : mapping
        Counter name to value, see `migkit.schema.SUMMARY`.

    Returns
    -------
    dict
        The members QEMU reports in the final state: migration/migration.c
        (fill_source_migration_info).

    Examples
    --------
    >>> summary_of({"status": "cancelled", "total_time_ms": 812})
    {'status': 'cancelled'}
    """
    known = {
        "page_size_bytes": _PAGE_BYTES,
        "dirty_sync_missed_zero_copy": 0,
        "normal_bytes": counters.get("normal_pages", 0) * _PAGE_BYTES,
        **counters,
    }
    summary: dict[str, Any] = {}
    for field in SUMMARY:
        value = known.get(field.counter)
        hidden = field.states and known.get("status") not in field.states
        if value is None or hidden or (field.when_nonzero and not value):
            continue
        inside = summary
        for name in field.path[:-1]:
            inside = inside.setdefault(name, {})
        inside[field.path[-1]] = value
    return summary


def counters_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a query-migrate reply into counters.

    Parameters
    ----------
    summary : mapping
        The reply.

    Returns
    -------
    dict
        Counter name to value; what the reply does not have is left out.

    Examples
    --------
    >>> counters_of({"status": "completed", "ram": {"precopy-bytes": 9}})
    {'status': 'completed', 'precopy_bytes': 9}
    """
    found: dict[str, Any] = {}
    for field in SUMMARY:
        inside: Any = summary
        for name in field.path:
            inside = inside.get(name) if isinstance(inside, Mapping) else None
        if inside is not None:
            found[field.counter] = inside
    return found
