"""Where the stream goes: over the network to a destination, into a file, or to a command.

The transports that matter to the source (migration/migration.c, migration_transport_compatible):
only a file can be written at any place (mapped-ram), only a destination answers.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

from migkit.errors import ScenarioError, did_you_mean

__all__ = ["TRANSPORTS", "Transport"]

TRANSPORTS: tuple[str, ...] = ("tcp", "file", "exec")
"""``tcp:`` stands for every socket; ``file:`` and ``exec:`` have no destination that answers."""


@dataclass(frozen=True)
class Transport:
    """The address of ``migrate``, as far as it decides something.

    Parameters
    ----------
    kind : {"tcp", "file", "exec"}
        QEMU's scheme: a socket, a file, the standard input of a command.
    offset_bytes : int
        Where the stream begins in the file (``file:path,offset=``), bytes; 0 for the others.

    Raises
    ------
    ScenarioError
        If the kind is not known, or the offset is not one.

    Examples
    --------
    >>> Transport("file", offset_bytes=4096).has_destination
    False
    """

    kind: str = "tcp"
    offset_bytes: int = 0

    def __post_init__(self) -> None:
        """Check kind and offset."""
        if self.kind not in TRANSPORTS:
            raise ScenarioError.of(
                f"transport {self.kind!r}",
                f"allowed {', '.join(TRANSPORTS)}",
                did_you_mean(str(self.kind), TRANSPORTS),
            )
        try:
            offset = operator.index(self.offset_bytes)
        except TypeError:
            offset = -1
        if isinstance(self.offset_bytes, bool) or not 0 <= offset < 1 << 60:
            raise ScenarioError.of(
                f"transport: offset_bytes {self.offset_bytes!r}",
                "allowed whole numbers, 0 or more",
                "give bytes",
            )
        if offset and self.kind != "file":
            raise ScenarioError.of(
                f"transport {self.kind}: offset_bytes {offset}",
                "only a file has an offset",
                "leave it out, or use the transport file",
            )
        object.__setattr__(self, "offset_bytes", offset)

    @property
    def has_destination(self) -> bool:
        """Whether a QEMU at the other end reads along and could answer."""
        return self.kind == "tcp"
