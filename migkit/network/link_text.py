"""Links as people write them: ``{"jitter": "2ms", "loss": "0.1%"}``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from migkit.errors import InputError, did_you_mean
from migkit.network.link import Link
from migkit.units import parse_bytes, parse_duration, parse_rate

__all__ = ["link_values", "parse_profile", "written_link"]


def _percent(value: Any, name: str) -> float:
    """Read a share: ``"0.1%"``, or percent as a number."""
    text = value.strip().removesuffix("%") if isinstance(value, str) else value
    try:
        if isinstance(text, bool):
            raise TypeError
        return float(text)
    except (TypeError, ValueError):
        raise InputError.of(f"{name} {value!r}", "not a share in percent", "write 0.1%") from None


def _count(value: Any, name: str) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return int(value)
    except (TypeError, ValueError):
        raise InputError.of(f"{name} {value!r}", "not a whole number", "give a number") from None


def _rates(value: Any, name: str) -> tuple[int, ...]:
    parts = value.split("+") if isinstance(value, str) else value
    if not isinstance(parts, Iterable):
        raise InputError.of(f"{name} {value!r}", "not a list", "write 25Gbit/s+25Gbit/s")
    return tuple(parse_rate(part, name) for part in parts)


_WRITTEN: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "bandwidth": ("bandwidth_bytes_per_s", parse_rate),
    "latency": ("latency_ns", parse_duration),
    "return-latency": ("return_latency_ns", parse_duration),
    "jitter": ("jitter_ns", parse_duration),
    "loss": ("loss_percent", _percent),
    "segment": ("segment_bytes", parse_bytes),
    "window": ("window_bytes", parse_bytes),
    "send-buffer": ("send_buffer_bytes", parse_bytes),
    "timeout": ("retransmission_timeout_ns", parse_duration),
    "competing": ("competing_bytes_per_s", parse_rate),
    "flows": ("competing_flows", _count),
    "recovery-bandwidth": ("recovery_bandwidth_bytes_per_s", parse_rate),
    "channels": ("channel_bandwidths_bytes_per_s", _rates),
}


def link_values(written: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Read fields of a link.

    Parameters
    ----------
    written : mapping
        ``bandwidth``, ``latency``, ``return-latency``, ``jitter``, ``loss``, ``segment``,
        ``window``, ``send-buffer``, ``timeout``, ``competing``, ``flows``,
        ``recovery-bandwidth``, ``channels`` (the links of multifd's channels, a list, or
        a text such as 25Gbit/s+10Gbit/s); or fields of `Link` by their own names.
    where : str
        What they belong to; for the message.

    Returns
    -------
    dict
        Fields of `Link`.

    Raises
    ------
    InputError
        If a name is not known or a value not valid.

    Examples
    --------
    >>> link_values({"jitter": "2ms", "loss": "0.1%"}, "link")
    {'jitter_ns': 2000000, 'loss_percent': 0.1}
    """
    if not isinstance(written, Mapping):
        raise InputError.of(f"{where} {written!r}", "not a table", "give its fields by name")
    exact = {item.name for item in dataclasses.fields(Link)}
    values: dict[str, Any] = {}
    for name, value in written.items():
        plain = str(name).replace("_", "-")
        if name in exact:
            values[name] = value
        elif plain in _WRITTEN:
            field, read = _WRITTEN[plain]
            values[field] = read(value, f"{where}: {name}")
        else:
            raise InputError.of(f"{where}: {name}", "unknown", did_you_mean(plain, _WRITTEN))
    return values


def written_link(link: Link, written: Mapping[str, Any]) -> Link:
    """Change a link by what is written.

    Parameters
    ----------
    link : Link
        What is left out stays as here.
    written : mapping
        As for `link_values`. A bandwidth holds after a recovery, too.

    Returns
    -------
    Link
        The changed link.
    """
    values = link_values(written, "link")
    rate = values.get("bandwidth_bytes_per_s")
    if rate is not None:
        values.setdefault("recovery_bandwidth_bytes_per_s", rate)
    return dataclasses.replace(link, **values)


def parse_profile(text: str) -> list[tuple[float, int]]:
    """Read a profile of the link's bandwidth over time.

    Parameters
    ----------
    text : str
        Steps ``TIME:RATE`` with commas between them, times after ``migrate`` and rising.

    Returns
    -------
    list of (float, int)
        Seconds and bytes per second.

    Raises
    ------
    InputError
        If a step is not of that form, or not later than the one before.

    Examples
    --------
    >>> parse_profile("0s:1Gbit/s,2.5s:200Mbit/s")
    [(0.0, 125000000), (2.5, 25000000)]
    """
    steps: list[tuple[float, int]] = []
    for part in str(text).split(","):
        time, colon, rate = part.strip().partition(":")
        if not colon:
            raise InputError.of(
                f"link_profile {part.strip()!r}", "not a step", "write 0s:1Gbit/s,5s:100Mbit/s"
            )
        at_s = parse_duration(time, "link_profile: time") / 1e9
        if steps and at_s <= steps[-1][0]:
            raise InputError.of(
                f"link_profile: {time}", f"not after {steps[-1][0]:g} s", "let the times rise"
            )
        steps.append((at_s, parse_rate(rate, "link_profile: rate")))
    return steps
