"""One sentence about a migration: does it converge, how long, at what price, and why not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from migkit.explorer.settings import Settings
    from migkit.results import Migration

_MIB: Final = 1 << 20
_PAGE_BYTES: Final = 4096
_GROWTH: Final = 1.25
_TRIES: Final = 8


def enough_limit_ms(
    migration: Migration, settings: Settings, completes: Callable[[int], bool]
) -> int | None:
    """Return a downtime limit under which a run that did not converge would.

    The first guess is what was left at the best sync, over the measured bandwidth; each guess is
    tried and raised by a quarter until one does.

    Parameters
    ----------
    migration : Migration
        A run that did not complete.
    settings : Settings
        What went into it.
    completes : callable
        Whether the same migration completes under a limit in ms.

    Returns
    -------
    int or None
        Milliseconds, rounded up to two digits; None when none of eight guesses did.
    """
    left = least_left_bytes(migration)
    if left is None:
        return None
    guess = 1000 * left / bandwidth_bytes_per_s(migration, settings)
    for _ in range(_TRIES):
        limit = two_digits_up(max(guess, 1.05 * settings.downtime_limit_ms, 1))
        if completes(limit):
            return limit
        guess = limit * _GROWTH
    return None


def least_left_bytes(migration: Migration) -> int | None:
    """Return the least that was left to send at a sync while the VM ran on the source.

    Parameters
    ----------
    migration : Migration
        A run.

    Returns
    -------
    int or None
        Bytes; None when no sync came after the first.
    """
    rounds = migration.rounds
    exact = rounds.loc[rounds["reason"].astype(str) == "exact", "remaining_pages"]
    return None if exact.empty else int(exact.min()) * _PAGE_BYTES


def bandwidth_bytes_per_s(migration: Migration, settings: Settings) -> float:
    """Return the bandwidth that QEMU measured, or the limit where it measured none.

    Parameters
    ----------
    migration : Migration
        A run.
    settings : Settings
        What went into it.

    Returns
    -------
    float
        Bytes/s: the median over the windows.
    """
    windows = migration.windows
    if windows.empty:
        return float(settings.bandwidth_bytes_per_s)
    return 1000 * float(windows["bandwidth_bytes_per_ms"].median())


def two_digits_up(value: float) -> int:
    """Round a number above 0 up to two significant digits.

    Examples
    --------
    >>> [two_digits_up(value) for value in (7.2, 311.0, 1520.0)]
    [8, 320, 1600]
    """
    step = 10 ** max(math.floor(math.log10(value)) - 1, 0)
    return math.ceil(value / step) * step


def verdict_of(migration: Migration, settings: Settings, enough_ms: int | None) -> str:
    """Return the sentence.

    Parameters
    ----------
    migration : Migration
        The run.
    settings : Settings
        What went into it.
    enough_ms : int or None
        For a run that did not converge: the downtime limit that would do.

    Returns
    -------
    str
        One sentence.
    """
    if migration.outcome != "completed":
        return _not_converging(migration, settings, enough_ms)
    if _went_postcopy(migration):
        return _postcopy(migration)
    downtime, total_s = migration.summary["downtime"], migration.summary["total-time"] / 1000
    syncs = migration.summary["ram"]["dirty-sync-count"]
    limit = settings.downtime_limit_ms
    judged = "within" if downtime <= limit else "over"
    return (
        f"Converges: complete after {total_s:,.1f} s and {syncs} syncs, with {downtime:,} ms of "
        f"downtime, {judged} the limit of {limit:,} ms."
    )


def _not_converging(migration: Migration, settings: Settings, enough_ms: int | None) -> str:
    """Say why it does not converge and which limit would do."""
    seen_s = int(migration.events["t_ns"].max()) / 1e9
    left = least_left_bytes(migration)
    if left is None:
        return (
            f"Not finished: the first pass over memory takes longer than the {seen_s:,.0f} s that "
            "were simulated; a higher bandwidth is needed."
        )
    carries = bandwidth_bytes_per_s(migration, settings) * settings.downtime_limit_ms / 1000
    advice = (
        "no downtime limit that was tried would do"
        if enough_ms is None
        else f"a limit of {enough_ms:,} ms would do"
    )
    return (
        f"Does not converge: at its best sync in {seen_s:,.0f} s the guest had "
        f"{left / _MIB:,.0f} MiB left to send, and {settings.downtime_limit_ms:,} ms carry "
        f"{carries / _MIB:,.0f} MiB; {advice}."
    )


def _went_postcopy(migration: Migration) -> bool:
    """Tell whether the run switched to postcopy."""
    return not migration.events_of("postcopy_start").empty


def _postcopy(migration: Migration) -> str:
    """Say when the VM moved, what it waited for, and what save_complete moved."""
    switched = migration.events_of("postcopy_start")["t_ns"]
    calls = migration.ram_save_complete()
    pages = int(calls.loc[calls["done"] == 0, "dirty"].iloc[-1])
    moved = pages * _PAGE_BYTES / _MIB
    amount = f"{moved:,.0f} MiB" if moved >= 1 else f"{pages} pages"
    last = (
        f"the last {amount} went inside save_complete with the big lock held"
        if pages
        else "nothing was left for save_complete"
    )
    return (
        f"Ends by postcopy: the VM moved after {int(switched.iloc[0]) / 1e9:,.1f} s, waited for "
        f"{len(migration.faults):,} pages, all memory had come after "
        f"{migration.summary['total-time'] / 1000:,.1f} s, and {last}."
    )
