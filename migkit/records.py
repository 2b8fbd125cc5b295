"""Frozen dataclasses from plain dictionaries, with a clear word on every wrong key."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from typing import Any, TypeVar

from migkit.errors import MigkitError, did_you_mean

__all__ = ["check_numbers", "record"]

_INT64_MAX = 2**63 - 1

T = TypeVar("T")


def record(kind: type[T], values: Any, what: str, error: type[MigkitError]) -> T:
    """Make a dataclass from a dictionary of its fields.

    Parameters
    ----------
    kind : type
        A dataclass.
    values : mapping
        Its fields by name; those with a default may be left out.
    what : str
        What it is; for the message.
    error : type of MigkitError
        Class of the error.

    Returns
    -------
    object
        The dataclass.

    Raises
    ------
    MigkitError
        If `values` is no mapping, or a field is unknown or missing.
    """
    if not isinstance(values, Mapping):
        raise error.of(f"{what} {values!r}", "not a table", "give its fields by name")
    known = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise error.of(f"{what}: {name}", "unknown", did_you_mean(str(name), known))
    for name, item in known.items():
        missing = item.default is dataclasses.MISSING
        if name not in values and missing and item.default_factory is dataclasses.MISSING:
            raise error.of(f"{what}: {name}", "missing", "add it")
    return kind(**values)


def check_numbers(owner: str, value: Any, error: type[MigkitError]) -> None:
    """Refuse negative and non-integer fields; NumPy integers become plain ones.

    Parameters
    ----------
    owner : str
        What the dataclass is; for the message.
    value : object
        A dataclass in the making; each of its fields declared ``int`` is checked.
    error : type of MigkitError
        Class of the error.

    Raises
    ------
    MigkitError
        At the first field that is not a whole number from 0 to 2^63 - 1.
    """
    for item in dataclasses.fields(value):
        if item.type not in ("int", int):
            continue
        number = getattr(value, item.name)
        try:
            plain = operator.index(number)
        except TypeError:
            plain = -1
        if isinstance(number, bool) or not 0 <= plain <= _INT64_MAX:
            raise error.of(
                f"{owner}: {item.name} {number!r}",
                "allowed whole numbers, 0 or more",
                "give such a number",
            )
        object.__setattr__(value, item.name, plain)
