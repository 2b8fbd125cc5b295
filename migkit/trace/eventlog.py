"""The events of one side of a migration, compact: times, and each distinct message once.

A log may have millions of lines and few distinct ones, so a line is two numbers here: its time
and the position of its message. Messages are taken apart when somebody asks for their event.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from .patterns import Arguments
from .registry import event_of, parse

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["bare", "pid", "iso"]
FORMS: Final = ("bare", "pid", "iso")
SIDES: Final = ("source", "dest")

NO_TIME: Final = -(2**63)
"""Time of a line of a bare log, which has no time stamps."""

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class EventLog:
    """Trace events of one side, in the order of the log.

    Parameters
    ----------
    side : str
        ``source`` or ``dest``.
    t_ns : ndarray of int64, shape (n,)
        Nanoseconds after the moment migrate was taken; `NO_TIME` without time stamps.
    message_index : ndarray of int64, shape (n,)
        Position of each line's message in `messages`.
    messages : sequence of str
        Distinct messages: name, one blank, text of the arguments.
    form : str
        ``bare``, ``pid`` or ``iso``: how the lines carry their time.
    pids : ndarray of int64, shape (n,), or None
        Process or thread id of each line, in the form ``pid``: QEMU prints the thread's.
    epoch_ns : int or None
        Wall-clock time of t_ns 0, nanoseconds since 1970.
    torn_line : str
        The last line when it had no line end, which is left out; otherwise empty.
    skipped_lines : int
        Lines that are no trace lines, such as error messages of QEMU.
    """

    side: str
    t_ns: Ints
    message_index: Ints
    messages: Sequence[str]
    form: Form = "bare"
    pids: Ints | None = None
    epoch_ns: int | None = None
    torn_line: str = ""
    skipped_lines: int = 0

    def __len__(self) -> int:
        """Count the events."""
        return len(self.t_ns)

    @property
    def has_times(self) -> bool:
        """Whether the lines carry time stamps."""
        return self.form != "bare"

    @cached_property
    def message_events(self) -> list[str]:
        """Unified event name of each distinct message."""
        return [event_of(message) for message in self.messages]

    @cached_property
    def _messages_of(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for position, event in enumerate(self.message_events):
            found.setdefault(event, []).append(position)
        return found

    @cached_property
    def _parsed(self) -> dict[int, Arguments]:
        return {}

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events that occur, in the order of their first message."""
        return tuple(self._messages_of)

    def messages_of(self, event: str) -> Sequence[int]:
        """Return the positions of an event's distinct messages in `messages`."""
        return self._messages_of.get(event, ())

    def arguments_of(self, position: int) -> Arguments:
        """Return the arguments of one distinct message.

        Parameters
        ----------
        position : int
            Its position in `messages`.

        Returns
        -------
        dict
            Argument name to value.
        """
        if position not in self._parsed:
            self._parsed[position] = parse(self.messages[position])[1]
        return self._parsed[position]

    def rows(self, *events: str) -> Ints:
        """Return the positions of the lines of some events.

        Parameters
        ----------
        *events : str
            Unified names.

        Returns
        -------
        ndarray of int64, shape (k,)
            Ascending positions.
        """
        wanted = np.zeros(len(self.messages), dtype=bool)
        for event in events:
            wanted[list(self.messages_of(event))] = True
        return np.flatnonzero(wanted[self.message_index])

    def column(self, event: str, argument: str, missing: int = NO_TIME) -> Ints:
        """Return a numeric argument of all lines of an event.

        Parameters
        ----------
        event : str
            Unified name.
        argument : str
            Name of the argument.
        missing : int
            Value where a line does not have the argument.

        Returns
        -------
        ndarray of int64, shape (k,)
            In the order of `rows`.
        """
        by_message = np.full(len(self.messages), missing, dtype=np.int64)
        for position in self.messages_of(event):
            value = self.arguments_of(position).get(argument)
            if isinstance(value, int):
                by_message[position] = value
        return by_message[self.message_index[self.rows(event)]]

    def texts(self, event: str, argument: str) -> list[str | None]:
        """Return a text argument of all lines of an event; None where a line has none.

        Parameters
        ----------
        event : str
            Unified name.
        argument : str
            Name of the argument.

        Returns
        -------
        list of (str or None)
            In the order of `rows`.
        """
        values = {
            position: self.arguments_of(position).get(argument)
            for position in self.messages_of(event)
        }
        picked = (values[position] for position in self.message_index[self.rows(event)].tolist())
        return [None if value is None else str(value) for value in picked]

    def times(self, event: str) -> Ints:
        """Return the times of all lines of an event, in the order of `rows`."""
        return self.t_ns[self.rows(event)]

    def frame(self) -> pd.DataFrame:
        """Return all events as a frame with the columns of `migkit.schema.EVENT_FRAME`.

        Returns
        -------
        DataFrame
            One row for each line, in the order of the log.
        """
        import pandas as pd

        arguments = [
            json.dumps(self.arguments_of(position), sort_keys=True, ensure_ascii=False)
            for position in range(len(self.messages))
        ]
        where = self.message_index
        unknown = self.t_ns == NO_TIME
        times = pd.arrays.IntegerArray(np.where(unknown, 0, self.t_ns), unknown)
        return pd.DataFrame(
            {
                "t_ns": times,
                "side": pd.Series([self.side], dtype="str").take(np.zeros(len(self), int)).array,
                "event": pd.Series(self.message_events, dtype="str").take(where).array,
                "arguments": pd.Series(arguments, dtype="str").take(where).array,
                "thread_id": self._thread_ids(),
            }
        )

    def _thread_ids(self) -> pd.arrays.IntegerArray:
        import pandas as pd

        unknown = np.full(len(self), self.pids is None)
        return pd.arrays.IntegerArray(
            np.zeros(len(self), int) if self.pids is None else self.pids, unknown
        )
