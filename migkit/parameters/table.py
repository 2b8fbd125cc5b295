"""One row of the table of migration parameters, and how a row is declared as a field."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migkit.errors import InputError

__all__ = ["ParameterInfo", "choice", "declare", "number"]


@dataclass(frozen=True)
class ParameterInfo:
    """What is known of one migration parameter.

    Attributes
    ----------
    qmp : str
        QEMU's name.
    field : str
        Name of the field of `MigrationParameters`.
    default : object
        QEMU's default.
    low, high : int or None
        Accepted range of a number, both ends included.
    choices : tuple of str
        Accepted words; empty when the parameter is not a choice.
    unit : str
        Unit of a number.
    effect : str
        What it does, and when a change takes effect.
    """

    qmp: str
    field: str
    default: object
    low: int | None
    high: int | None
    choices: tuple[str, ...]
    unit: str
    effect: str

    @property
    def accepted(self) -> str:
        """The accepted values in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.low is not None:
            return f"{self.low}..{self.high} {self.unit}".rstrip()
        if isinstance(self.default, bool):
            return "true or false"
        return "text" if isinstance(self.default, str) else "a list"

    def check(self, value: object) -> object:
        """Return the value as plain Python, or refuse it.

        Parameters
        ----------
        value : object
            The value asked for.

        Returns
        -------
        object
            The same value; NumPy integers become int, lists become tuples.

        Raises
        ------
        InputError
            If the value has the wrong type or lies outside the accepted range.
        """
        try:
            plain = self._plain(value)
        except TypeError:
            raise self._refused(value) from None
        if isinstance(plain, int) and self.low is not None and self.high is not None:
            if not self.low <= plain <= self.high:
                raise self._refused(value)
        if self.choices and plain not in self.choices:
            raise self._refused(value)
        return plain

    def _plain(self, value: Any) -> object:
        if isinstance(self.default, bool | str):
            if not isinstance(value, type(self.default)):
                raise TypeError
            return value
        if isinstance(self.default, tuple):
            if isinstance(value, str | Mapping):
                raise TypeError
            return tuple(value)
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)

    def _refused(self, value: object) -> InputError:
        shown = value if isinstance(value, int) and not isinstance(value, bool) else repr(value)
        return InputError.of(
            f"{self.qmp} {shown}",
            f"allowed {self.accepted}",
            f"give a value in that range, or leave it out for {self.default!r}",
        )


def number(qmp: str, default: int, low: int, high: int, unit: str, effect: str) -> Any:
    """Declare a whole number with its accepted range, both ends included."""
    return declare(qmp, default, effect, low=low, high=high, unit=unit)


def choice(qmp: str, choices: tuple[str, ...], default: str, effect: str) -> Any:
    """Declare a word out of a few."""
    return declare(qmp, default, effect, choices=choices)


def declare(
    qmp: str,
    default: object,
    effect: str,
    *,
    low: int | None = None,
    high: int | None = None,
    choices: tuple[str, ...] = (),
    unit: str = "",
) -> Any:
    """Declare a field of the table of parameters, with everything known of it."""
    known = {"qmp": qmp, "low": low, "high": high, "choices": choices, "unit": unit}
    return dataclasses.field(default=default, metadata={**known, "effect": effect})
