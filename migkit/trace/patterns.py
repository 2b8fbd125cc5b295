"""How one trace event is printed: a template that both writes and reads its text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from migkit.schema import Argument

Value = int | str | None
Arguments = dict[str, Value]

_NUMBERS = {"int": r"-?\d+", "hex": r"0x[0-9a-fA-F]+"}
_NO_NAME = "(null)"


@dataclass(frozen=True)
class Pattern:
    """The text of one event in one range of QEMU versions.

    Parameters
    ----------
    event : str
        The event's name, the same for every version.
    arguments : tuple of Argument
        In the order in which they are printed.
    template : str
        What is printed after the name and one blank.
    written : str
        The name this version prints; empty when it is `event`.
    """

    event: str
    arguments: tuple[Argument, ...]
    template: str
    written: str = ""

    @property
    def name(self) -> str:
        """The name as printed."""
        return self.written or self.event

    @cached_property
    def keys(self) -> frozenset[str]:
        """Names of the arguments."""
        return frozenset(argument.name for argument in self.arguments)

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {argument.name: argument.kind for argument in self.arguments}

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        parts = []
        for literal, field, _, _ in Formatter().parse(self.template):
            parts.append(re.escape(literal))
            if field is not None:
                parts.append(f"(?P<{field}>{_NUMBERS.get(self._kinds[field], '.*?')})")
        return re.compile("".join(parts), re.DOTALL)

    def parse(self, text: str) -> Arguments | None:
        """Read the arguments from the text after the name; None when it is not this pattern."""
        match = self._regex.fullmatch(text)
        if match is None:
            return None
        return {
            name: _value(found, self._kinds[name]) for name, found in match.groupdict().items()
        }

    def render(self, arguments: Mapping[str, Value]) -> str:
        """Print name and arguments as QEMU does, the blank after the name always included."""
        printed = {name: _printed(arguments[name], kind) for name, kind in self._kinds.items()}
        return f"{self.name} {self.template.format(**printed)}"


def _value(text: str, kind: str) -> Value:
    if kind == "int":
        return int(text)
    if kind == "hex":
        return int(text, 16)
    return None if text == _NO_NAME else text


def _printed(value: Value, kind: str) -> str:
    if value is None:
        return _NO_NAME
    if kind == "hex":
        return f"{int(value):#x}"
    return str(value)
