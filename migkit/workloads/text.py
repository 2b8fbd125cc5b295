"""Workloads as people write them: ``uniform:20000``, ``hotcold:8000,hot=4000,percent=95``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from migkit.errors import WorkloadError, did_you_mean
from migkit.guest.ram_block import PAGE_BYTES
from migkit.guest.writes import Writes
from migkit.units import parse_bytes, parse_duration
from migkit.workloads.patterns import HotCold, Idle, Sequential, Uniform, Workload, Zipf
from migkit.workloads.phased import Phase, Phases
from migkit.workloads.recorded import recorded_from_file

__all__ = ["FORMS", "parse_workload"]

FORMS = """\
idle
sequential:RATE          pages in order, over and over
uniform:RATE             every page alike
hotcold:RATE,hot=PAGES,percent=SHARE
zipf:RATE,exponent=S     page k with probability ~ 1 / (k + 1)^S
phases:WORKLOAD@DURATION+WORKLOAD@DURATION
recorded:FILE            CSV or Parquet: t_ns and page, or t_ns and rate_pages_per_s
RATE is page writes in a second. Further, after commas: pages=PAGES or set=SIZE (the working set,
else all memory), base=PAGE, batch=DURATION, seed=N, generator=counter or xorshift32; and
write=WHAT, what a write leaves in its page: delta(1x8) if left out, zero, random,
compressible(3), data(BYTES); with shares: write=zero:10%/delta(1x8):90%."""
"""The forms that `parse_workload` reads, for help texts."""

_KINDS: dict[str, type[Workload]] = {
    "idle": Idle,
    "sequential": Sequential,
    "uniform": Uniform,
    "hotcold": HotCold,
    "zipf": Zipf,
}
_PHASE = re.compile(r"([^@]+)@([^@+]+)(?:\+|$)")


def parse_workload(text: str) -> Workload:
    """Read a workload as written on the command line.

    Parameters
    ----------
    text : str
        One of `FORMS`.

    Returns
    -------
    Workload
        The specification; its working set is all of the memory unless the text says otherwise.

    Raises
    ------
    WorkloadError
        If the text is none of the forms, or a value lies outside its range.

    Examples
    --------
    >>> parse_workload("hotcold:8000,hot=4000,percent=95,pages=100000").hot_pages
    4000
    >>> parse_workload("phases:uniform:20000@3s+idle@500ms").phases[1].duration_ms
    500
    """
    if not isinstance(text, str):
        raise _refused(repr(text), f"a {type(text).__name__}, not text")
    kind, _, rest = text.strip().partition(":")
    if kind == "phases":
        return _phases(text, rest)
    if kind == "recorded":
        path, *settings = rest.split(",")
        if not path:
            raise _refused(text, "no file is named")
        return recorded_from_file(path, **_settings(text, "recorded", settings))
    if kind not in _KINDS:
        names = (*_KINDS, "phases", "recorded")
        raise WorkloadError.of(f"workload {text}", "not a workload", did_you_mean(kind, names))
    return _simple(text, kind, [part for part in rest.split(",") if part])


def _simple(text: str, kind: str, parts: list[str]) -> Workload:
    values: dict[str, Any] = {}
    if parts and "=" not in parts[0]:
        values["rate_pages_per_s"] = _number(text, parts.pop(0))
    elif kind != "idle":
        raise _refused(text, "no rate")
    values.update(_settings(text, kind, parts))
    if kind == "hotcold" and "hot_pages" not in values:
        raise _refused(text, "no number of hot pages: write hot=PAGES")
    return _KINDS[kind](**values)


def _phases(text: str, rest: str) -> Phases:
    phases = []
    position = 0
    for match in _PHASE.finditer(rest):
        if match.start() != position:
            break
        position = match.end()
        duration_ns = parse_duration(match[2], f"workload {text}: duration")
        phases.append(Phase(workload=parse_workload(match[1]), duration_ms=duration_ns // 10**6))
    if position != len(rest) or not phases or rest.endswith("+"):
        raise _refused(text, f"{rest[position:]!r} is no WORKLOAD@DURATION")
    return Phases(phases=tuple(phases))


def _settings(text: str, kind: str, parts: list[str]) -> dict[str, Any]:
    """Read the ``name=value`` parts."""
    allowed = _SETTINGS | _OWN_SETTINGS.get(kind, {})
    values: dict[str, Any] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise _refused(text, f"{part!r} is no name=value")
        if name not in allowed:
            raise WorkloadError.of(
                f"workload {text}", f"no setting {name!r}", did_you_mean(name, allowed)
            )
        field, read = allowed[name]
        values[field] = read(text, value)
    return values


def _number(text: str, written: str) -> int | float:
    try:
        number = float(written)
    except ValueError:
        raise _refused(text, f"{written!r} is not a number") from None
    return int(number) if number.is_integer() else number


def _whole(text: str, written: str) -> int:
    number = _number(text, written)
    if not isinstance(number, int):
        raise _refused(text, f"{written!r} is not a whole number")
    return number


def _set_pages(text: str, written: str) -> int:
    return parse_bytes(written, f"workload {text}: set") // PAGE_BYTES


def _batch_ms(text: str, written: str) -> int:
    return parse_duration(written, f"workload {text}: batch") // 10**6


def _word(_text: str, written: str) -> str:
    return written


def _writes(_text: str, written: str) -> Writes:
    return Writes.parse(written)


def _refused(text: str, found: str) -> WorkloadError:
    return WorkloadError.of(f"workload {text}", found, "write uniform:20000, idle, hotcold:8000,…")


_Setting = tuple[str, Callable[[str, str], Any]]
_SETTINGS: dict[str, _Setting] = {
    "pages": ("pages", _whole),
    "set": ("pages", _set_pages),
    "base": ("base_page", _whole),
    "batch": ("batch_ms", _batch_ms),
    "seed": ("seed", _whole),
    "generator": ("generator", _word),
    "write": ("writes", _writes),
}
_OWN_SETTINGS: dict[str, dict[str, _Setting]] = {
    "hotcold": {"hot": ("hot_pages", _whole), "percent": ("hot_percent", _whole)},
    "zipf": {"exponent": ("exponent", _number)},
}
