"""Sizes, rates and durations as people write them, read into exact integers and written back.

Bytes, bytes per second and nanoseconds are the only units inside migkit. ``K``, ``M``, ``G`` and
``T`` alone are binary, as in QEMU's own options (util/cutils.c, do_strtosz); ``MB`` is decimal.
"""

from __future__ import annotations

import operator
import re
from decimal import Decimal
from fractions import Fraction
from typing import SupportsIndex

from migkit.errors import InputError

__all__ = [
    "format_bytes",
    "format_duration",
    "format_rate",
    "parse_bytes",
    "parse_duration",
    "parse_rate",
]

Written = str | SupportsIndex | float

_BINARY = {
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
    "PiB": 1 << 50,
}
_DECIMAL = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
_BYTE_UNITS: dict[str, int] = {
    "": 1,
    "b": 1,
    "byte": 1,
    "bytes": 1,
    **{unit.lower(): size for unit, size in {**_BINARY, **_DECIMAL}.items()},
    **{unit[0].lower(): size for unit, size in _BINARY.items()},
}
_BITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_RATE_UNITS: dict[str, Fraction] = {
    "": Fraction(1),
    **{f"{unit}/s": Fraction(size) for unit, size in _BYTE_UNITS.items() if unit},
    **{f"{prefix}bit/s": Fraction(size, 8) for prefix, size in _BITS.items()},
    **{f"{prefix}bps": Fraction(size, 8) for prefix, size in _BITS.items()},
}
_DURATION_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
_NUMBER = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([^\d\s].*)?")
_BYTES_FORMS = "a whole number of bytes, or 512MiB, 8GiB, 1.5GB"
_RATE_FORMS = "a whole number of bytes per second, or 64MiB/s, 125MB/s, 10Gbit/s"
_DURATION_FORMS = "300ms, 3s, 2min, 50us, 10ns"


def parse_bytes(value: Written, name: str = "size") -> int:
    """Read a size.

    Parameters
    ----------
    value : str or int
        ``"512MiB"``, ``"8GiB"``, ``"1.5GB"``, ``"64K"``, or a whole number of bytes.
    name : str
        What the value is; for the message.

    Returns
    -------
    int
        Bytes, exactly.

    Raises
    ------
    InputError
        If the text is not a size, is negative, or is no whole number of bytes.

    Examples
    --------
    >>> parse_bytes("512MiB"), parse_bytes("1.5 kB"), parse_bytes(4096)
    (536870912, 1500, 4096)
    """
    number, unit = _split(value, name, _BYTES_FORMS)
    factor = _BYTE_UNITS.get(unit.lower())
    if factor is None:
        raise _refused(value, name, f"unit {unit!r} is not a size", _BYTES_FORMS)
    return _whole(number * factor, value, name, "bytes", _BYTES_FORMS)


def parse_rate(value: Written, name: str = "bandwidth") -> int:
    """Read a rate.

    Parameters
    ----------
    value : str or int
        ``"64MiB/s"``, ``"125MB/s"``, ``"10Gbit/s"``, ``"546Mbps"``, or bytes per second.
    name : str
        What the value is; for the message.

    Returns
    -------
    int
        Bytes per second, exactly.

    Raises
    ------
    InputError
        If the text is not a rate, is negative, leaves open whether bits or bytes are meant, or is
        no whole number of bytes per second.

    Examples
    --------
    >>> parse_rate("64MiB/s"), parse_rate("10Gbit/s"), parse_rate(125_000_000)
    (67108864, 1250000000, 125000000)
    """
    number, unit = _split(value, name, _RATE_FORMS)
    if re.fullmatch(r"[kKmMgGtTpP]?b/s", unit):
        raise _refused(value, name, f"{unit!r} may mean bits or bytes", _RATE_FORMS)
    factor = _RATE_UNITS.get(unit.lower())
    if factor is None:
        raise _refused(value, name, f"unit {unit!r} is not a rate", _RATE_FORMS)
    return _whole(number * factor, value, name, "bytes per second", _RATE_FORMS)


def parse_duration(value: str, name: str = "duration") -> int:
    """Read a duration. A bare number is refused, but for 0: its unit would be a guess.

    Parameters
    ----------
    value : str
        ``"300ms"``, ``"3s"``, ``"2min"``, ``"50us"``, ``"10ns"``, ``"1h"``.
    name : str
        What the value is; for the message.

    Returns
    -------
    int
        Nanoseconds, exactly.

    Raises
    ------
    InputError
        If the text is not a duration, is negative, or is no whole number of nanoseconds.

    Examples
    --------
    >>> parse_duration("300ms"), parse_duration("1.5 s"), parse_duration("50us")
    (300000000, 1500000000, 50000)
    """
    number, unit = _split(value, name, _DURATION_FORMS)
    factor = _DURATION_UNITS.get(unit.lower())
    if factor is None and unit == "" and number == 0:
        return 0
    if factor is None:
        found = f"unit {unit!r} is not a time" if unit else "a unit is missing"
        raise _refused(value, name, found, _DURATION_FORMS)
    return _whole(number * factor, value, name, "nanoseconds", _DURATION_FORMS)


def format_bytes(size_bytes: int) -> str:
    """Write a size exactly, with as few digits as can be; `parse_bytes` reads it back.

    Parameters
    ----------
    size_bytes : int
        Bytes, 0 or more.

    Returns
    -------
    str
        The size with its unit.

    Examples
    --------
    >>> format_bytes(536870912), format_bytes(1536), format_bytes(6829074)
    ('512 MiB', '1.5 KiB', '6829074 B')
    """
    return _shortest(size_bytes, {"B": 1, **_BINARY, **_DECIMAL})


def format_rate(bytes_per_s: int) -> str:
    """Write a rate exactly, with as few digits as can be; `parse_rate` reads it back.

    Parameters
    ----------
    bytes_per_s : int
        Bytes per second, 0 or more.

    Returns
    -------
    str
        The rate with its unit.

    Examples
    --------
    >>> format_rate(67108864), format_rate(1250000000)
    ('64 MiB/s', '1.25 GB/s')
    """
    return _shortest(bytes_per_s, {"B": 1, **_BINARY, **_DECIMAL}) + "/s"


def format_duration(duration_ns: int) -> str:
    """Write a duration exactly, with as few digits as can be; `parse_duration` reads it back.

    Parameters
    ----------
    duration_ns : int
        Nanoseconds, 0 or more.

    Returns
    -------
    str
        The duration with its unit, seconds at most.

    Examples
    --------
    >>> format_duration(300_000_000), format_duration(1_500_000_000), format_duration(50_000)
    ('300 ms', '1.5 s', '50 us')
    """
    return _shortest(duration_ns, {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9})


def _split(value: Written, name: str, forms: str) -> tuple[Fraction, str]:
    """Take a value apart into an exact number, not negative, and the text of its unit."""
    text = value if isinstance(value, str) else _number_text(value, name, forms)
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise _refused(value, name, "not a number with a unit", forms)
    number = Fraction(Decimal(match[1]))
    if number < 0:
        raise _refused(value, name, "negative, allowed 0 or more", forms)
    return number, (match[2] or "").strip()


def _number_text(value: SupportsIndex | float, name: str, forms: str) -> str:
    """Text of a Python or NumPy number; anything else, truth values too, is refused."""
    if isinstance(value, bool):
        raise _refused(value, name, "a truth value, not a number", forms)
    if isinstance(value, float):
        return repr(value)
    try:
        return str(operator.index(value))
    except TypeError:
        raise _refused(value, name, f"a {type(value).__name__}, not a number", forms) from None


def _whole(exact: Fraction, value: object, name: str, unit: str, forms: str) -> int:
    if exact.denominator != 1:
        raise _refused(value, name, f"not a whole number of {unit}", forms)
    if exact >= 1 << 63:
        raise _refused(value, name, f"over 2^63 - 1 {unit}", forms)
    return exact.numerator


def _refused(value: object, name: str, found: str, forms: str) -> InputError:
    return InputError.of(f"{name} {value!r}", found, f"write {forms}")


def _shortest(amount: int, units: dict[str, int]) -> str:
    """Exact text with the fewest digits; at equal counts the first unit of the table wins."""
    texts: list[str] = []
    for unit, size in units.items():
        thousandths, rest = divmod(amount * 1000, size)
        if rest == 0 and (amount >= size or unit == next(iter(units))):
            number = f"{thousandths // 1000}.{thousandths % 1000:03}".rstrip("0").rstrip(".")
            texts.append(f"{number} {unit}")
    return min(texts, key=lambda text: sum(map(str.isdigit, text)))
