"""Other iterable handlers beside RAM: a device with much state, dirty bitmaps."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from migkit.errors import ScenarioError

__all__ = ["IterableHandler"]


@dataclass(frozen=True)
class IterableHandler:
    """An iterable handler registered after RAM (migration/savevm.c, SaveVMHandlers).

    Parameters
    ----------
    name : str
        Its id string, 1..255 bytes, other than ``ram``.
    initial_bytes : int
        State it has to send, bytes; none is added while it runs.
    chunk_bytes : int
        What one call of its iterate hook sends, bytes, 1 or more.
    postcopiable : bool
        Whether it may send after the guest has moved (``has_postcopy``).
    byte_ps : int
        Its cost, picoseconds a byte.

    Raises
    ------
    ScenarioError
        If a value lies outside its range.

    Examples
    --------
    >>> IterableHandler("dirty-bitmap", 1 << 20, chunk_bytes=4096, postcopiable=True).byte_ps
    0
    """

    name: str
    initial_bytes: int
    chunk_bytes: int = 1 << 20
    postcopiable: bool = False
    byte_ps: int = 0

    def __post_init__(self) -> None:
        """Check name and numbers."""
        if not isinstance(self.name, str) or not 1 <= len(self.name.encode()) <= 255:
            raise ScenarioError.of(
                f"iterable handler {self.name!r}", "allowed 1..255 bytes", "give it a name"
            )
        if self.name == "ram":
            raise ScenarioError.of(
                "iterable handler ram", "RAM is always there", "give it another name"
            )
        for name, low in (("initial_bytes", 0), ("chunk_bytes", 1), ("byte_ps", 0)):
            value = getattr(self, name)
            try:
                plain = operator.index(value)
            except TypeError:
                plain = -1
            if isinstance(value, bool) or not low <= plain < 1 << 62:
                raise ScenarioError.of(
                    f"iterable handler {self.name}: {name} {value!r}",
                    f"allowed whole numbers from {low} up",
                    "give such a number",
                )
            object.__setattr__(self, name, plain)
