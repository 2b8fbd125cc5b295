"""Frozen dataclasses from plain dictionaries, with a clear word on every wrong key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from migkit.errors import MigkitError, did_you_mean

__all__ = ["record"]

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
