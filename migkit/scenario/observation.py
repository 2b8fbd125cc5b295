"""How long a migration is watched when nobody says so."""

from __future__ import annotations

from collections.abc import Iterable

from migkit.scenario.timeline import TimelineItem
from migkit.units import parse_duration

__all__ = ["observation_s"]

_SHORTEST_S = 60.0
_SWEEPS = 30
_UNLIMITED_BYTES_PER_S = 10**9


def observation_s(
    written: str | None,
    memory_bytes: int,
    rates_bytes_per_s: Iterable[int],
    items: Iterable[TimelineItem],
) -> float:
    """Return when observation ends: as written, or late enough for all but the hopeless.

    Parameters
    ----------
    written : str or None
        A time such as ``"60s"``; None leaves it to memory and rates.
    memory_bytes : int
        The guest's memory, bytes.
    rates_bytes_per_s : iterable of int
        What limits the stream, bytes per second; 0 is no limit.
    items : iterable of TimelineItem
        Observation goes on after the last of them.

    Returns
    -------
    float
        Seconds after ``migrate``.

    Raises
    ------
    InputError
        If `written` is no time.

    Examples
    --------
    >>> observation_s(None, 8 << 30, (0, 128 << 20), ())
    1920.0
    """
    if written is not None:
        return parse_duration(written, "observe_for") / 1e9
    slowest = min((rate for rate in rates_bytes_per_s if rate > 0), default=_UNLIMITED_BYTES_PER_S)
    last_s = max((item.at_s for item in items if item.at_s is not None), default=0.0)
    return min(last_s + max(_SHORTEST_S, _SWEEPS * memory_bytes / slowest), 1e9)
