"""Time stamps of trace lines: finding their form, reading many at once, printing them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from .eventlog import NO_TIME, Form, Ints

Bytes2D = np.ndarray[tuple[int, int], np.dtype[np.uint8]]

NAME: Final = rb"[A-Za-z_][A-Za-z0-9_]*(?= |$)"
_STAMPS: Final[dict[Form, bytes]] = {
    "iso": rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z ",
    "pid": rb"\d+@\d+\.\d{6}:",
    "bare": rb"",
}
_LINES: Final = {form: re.compile(rb"(" + stamp + rb")" + NAME) for form, stamp in _STAMPS.items()}
_ZERO = ord("0")


@dataclass(frozen=True)
class Layout:
    """Where the digits of a time stamp stand: the same in nearly every line of a log.

    Parameters
    ----------
    form : str
        ``bare``, ``pid`` or ``iso``.
    stamp : bytes
        The stamp of one line, up to the event's name.
    """

    form: Form
    stamp: bytes

    @property
    def width(self) -> int:
        """Bytes before the event's name."""
        return len(self.stamp)

    def _digits(self) -> list[int]:
        return [k for k in range(self.width) if chr(self.stamp[k]).isdigit()]

    def fits(self, heads: Bytes2D) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell which lines have this layout, from their first `width` bytes.

        Parameters
        ----------
        heads : ndarray of uint8, shape (n, width)
            The first bytes of each line.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where all marks are in place and digits are digits.
        """
        digits = self._digits()
        marks = [k for k in range(self.width) if k not in digits]
        wanted = np.frombuffer(self.stamp, dtype=np.uint8)
        in_place = (heads[:, marks] == wanted[marks]).all(axis=1)
        return in_place & ((heads[:, digits] - _ZERO) < 10).all(axis=1)

    def times(self, heads: Bytes2D) -> Ints:
        """Read the wall-clock times of lines that fit.

        Parameters
        ----------
        heads : ndarray of uint8, shape (n, width)
            The first bytes of each line.

        Returns
        -------
        ndarray of int64, shape (n,)
            Nanoseconds since 1970; `NO_TIME` for the form ``bare``.
        """
        if self.form == "bare":
            return np.full(len(heads), NO_TIME, dtype=np.int64)
        digits = heads[:, self._digits()].astype(np.int64) - _ZERO
        if self.form == "pid":
            seconds = _number(digits[:, self._pid_width() : -6])
            return (seconds * 1_000_000 + _number(digits[:, -6:])) * 1000
        year, month, day = _number(digits[:, :4]), _number(digits[:, 4:6]), _number(digits[:, 6:8])
        months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
        days = months.astype("datetime64[D]").astype(np.int64) + day - 1
        hour, minute = _number(digits[:, 8:10]), _number(digits[:, 10:12])
        seconds = ((days * 24 + hour) * 60 + minute) * 60 + _number(digits[:, 12:14])
        # A whole second is printed without a fraction: then there are no more digits.
        return (seconds * 1_000_000 + _number(digits[:, 14:])) * 1000

    def pids(self, heads: Bytes2D) -> Ints:
        """Read the process or thread ids of lines that fit.

        Parameters
        ----------
        heads : ndarray of uint8, shape (n, width)
            The first bytes of each line.

        Returns
        -------
        ndarray of int64, shape (n,)
            What stands before the ``@``; 0 for the other forms.
        """
        return _number(heads[:, : self._pid_width()].astype(np.int64) - _ZERO)

    def _pid_width(self) -> int:
        return max(self.stamp.find(b"@"), 0)


def _number(digits: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Ints:
    value = np.zeros(len(digits), dtype=np.int64)
    for column in digits.T:
        value = value * 10 + column
    return value


def layout_of(line: bytes, forms: Iterable[Form] = _STAMPS) -> Layout | None:
    """Find the layout of one line; None when it is no trace line.

    Parameters
    ----------
    line : bytes
        A line without its line end.
    forms : iterable of str
        The forms to try, in this order.

    Returns
    -------
    Layout or None
        Form and stamp of the line.

    Examples
    --------
    >>> layout_of(b"1267959@1748381938.294066:ram_save_complete dirty=9627, done=0").form
    'pid'
    """
    for form in forms:
        match = _LINES[form].match(line)
        if match is not None:
            return Layout(form, match.group(1))
    return None


def printed(times_ns: Ints, form: Form, pids: Ints) -> list[str]:
    """Print time stamps as QEMU does; fractions of a microsecond are cut off.

    Parameters
    ----------
    times_ns : ndarray of int64, shape (n,)
        Wall-clock nanoseconds since 1970.
    form : str
        ``bare``, ``pid`` or ``iso``.
    pids : ndarray of int64, shape (n,)
        Process or thread id of each line, for the form ``pid``.

    Returns
    -------
    list of str
        What stands before each event's name.

    Examples
    --------
    >>> printed(np.array([1748381938_294066_999]), "pid", np.array([1267959]))
    ['1267959@1748381938.294066:']
    >>> printed(np.array([0, 1500]), "iso", np.array([0, 0]))
    ['1970-01-01T00:00:00Z ', '1970-01-01T00:00:00.000001Z ']
    """
    if form == "bare":
        return [""] * len(times_ns)
    seconds, rest = np.divmod(times_ns // 1000, 1_000_000)
    parts = rest.tolist()
    if form == "pid":
        rows = zip(pids.tolist(), seconds.tolist(), parts, strict=True)
        return [f"{pid}@{second}.{part:06d}:" for pid, second, part in rows]
    distinct, where = np.unique(seconds, return_inverse=True)
    texts = np.datetime_as_string(distinct.astype("datetime64[s]")).tolist()
    return [
        f"{texts[second]}.{part:06d}Z " if part else f"{texts[second]}Z "
        for second, part in zip(where.tolist(), parts, strict=True)
    ]
