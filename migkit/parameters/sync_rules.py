"""What the version of QEMU decides about dirty-bitmap syncs, once for simulation and live source.

Source: migration/migration.c (migration_iteration_run), migration/ram.c (migration_bitmap_sync);
of 11.1.3 what it was seen to do.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from .capabilities import version_numbers

__all__ = ["SyncRules", "sync_rules"]

_RESYNCS = (11, 1)
"""The version whose syncs were seen to differ; 11.0 was not looked at."""


@dataclass(frozen=True)
class SyncRules:
    """When a source syncs, and which syncs it counts.

    Attributes
    ----------
    exact_each_pass : bool
        Whether every pass of precopy begins with a sync: since 11.1, with postcopy-ram.
    counts_last_sync : bool
        Whether the sync of a stopped guest counts: up to 11.0.
    """

    exact_each_pass: bool
    counts_last_sync: bool


def sync_rules(qemu_version: str, capabilities: Container[str]) -> SyncRules:
    """Return the rules of a version.

    Parameters
    ----------
    qemu_version : str
        Such as ``"11.1.3"``.
    capabilities : container of str
        Those that are on, by QEMU's names.

    Returns
    -------
    SyncRules
        Its rules.

    Raises
    ------
    InputError
        If the version is not numbers joined by dots.

    Examples
    --------
    >>> sync_rules("11.1.3", {"postcopy-ram"})
    SyncRules(exact_each_pass=True, counts_last_sync=False)
    >>> sync_rules("10.2.2", {"postcopy-ram"})
    SyncRules(exact_each_pass=False, counts_last_sync=True)
    """
    resyncs = version_numbers(qemu_version) >= _RESYNCS
    return SyncRules(resyncs and "postcopy-ram" in capabilities, not resyncs)
