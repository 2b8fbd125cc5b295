"""The line of a tap as people write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from migkit.errors import InputError
from migkit.network import Link
from migkit.network.link_text import parse_profile, written_link
from migkit.units import parse_duration, parse_rate

from .line import Line
from .outage import Outage, parse_outages

__all__ = ["written_line"]


def written_line(
    link: Link | Mapping[str, Any] | None,
    rate: str | int | None,
    latency: str | None,
    profile: str | None,
    outages: str | Sequence[Outage],
    seed: int,
) -> Line:
    """Make a line.

    Parameters
    ----------
    link, rate, latency, profile, outages, seed
        See `migkit.tap.Tap`.

    Returns
    -------
    Line
        The link over time.

    Raises
    ------
    InputError
        At the first value that is not valid.
    """
    made = link if isinstance(link, Link) else written_link(Link(), link or {})
    own: dict[str, Any] = {}
    if rate is not None:
        own["bandwidth"] = parse_rate(rate, "rate")
        if not own["bandwidth"]:
            raise InputError.of(f"rate {rate}", "allowed above 0 B/s", "leave it out for no limit")
    if latency is not None:
        own["latency_ns"] = parse_duration(latency, "latency")
    steps = [
        (round(at_s * 1e9), {"bandwidth": step})
        for at_s, step in (parse_profile(profile) if profile is not None else ())
    ]
    found = parse_outages(outages) if isinstance(outages, str) else outages
    return Line(written_link(made, own), seed, steps, found)
