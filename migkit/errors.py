"""Every error migkit raises on purpose, and the one line each of them carries.

All are subclasses of `MigkitError`, so a caller can catch one class. A message is a single line
of three parts: what was asked, what was found or is allowed, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self


def one_line(asked: str, found: str, fix: str) -> str:
    """Join the three parts of a message into one line.

    Parameters
    ----------
    asked : str
        What was asked, with the value that was given.
    found : str
        What was found instead, or the range that is allowed.
    fix : str
        What to do about it.

    Returns
    -------
    str
        One line; line breaks inside the parts become spaces.

    Examples
    --------
    >>> one_line("downtime-limit -1 ms", "allowed 0..2000000 ms", "give a value in that range")
    'downtime-limit -1 ms · allowed 0..2000000 ms · give a value in that range'
    """
    return " · ".join(" ".join(part.split()) for part in (asked, found, fix))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name, or list the known ones.

    Parameters
    ----------
    name : str
        The name that is not known.
    known : iterable of str
        The names that are.

    Returns
    -------
    str
        The third part of a message.

    Examples
    --------
    >>> did_you_mean("post-copy-ram", ["postcopy-ram", "multifd"])
    'did you mean postcopy-ram?'
    >>> did_you_mean("?", ["before", "after"])
    'use one of: before, after'
    """
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    near = near or [known_name for known_name in names if name and known_name.startswith(name)]
    if near:
        return f"did you mean {near[0]}?"
    return "use one of: " + ", ".join(names)


class MigkitError(Exception):
    """The root of all errors that migkit raises on purpose."""

    @classmethod
    def of(cls, asked: str, found: str, fix: str) -> Self:
        """Make an error whose text is `one_line` of the three parts.

        Parameters
        ----------
        asked : str
            What was asked, with the value that was given.
        found : str
            What was found instead, or the range that is allowed.
        fix : str
            What to do about it.

        Returns
        -------
        MigkitError
            An error of the class it is called on.

        Examples
        --------
        >>> raise InputError.of("guest memory 0 B", "allowed 4096 B or more", "give more memory")
        Traceback (most recent call last):
            ...
        migkit.errors.InputError: guest memory 0 B · allowed 4096 B or more · give more memory
        """
        return cls(one_line(asked, found, fix))


class InputError(MigkitError, ValueError):
    """A value given by the user is outside what is accepted."""


class ScenarioError(InputError):
    """A scenario is not valid as a whole, or its file or dictionary cannot be read."""


class WorkloadError(InputError):
    """A workload does not fit its guest, its file is unreadable, or a callback misbehaves."""


class HostProfileError(InputError):
    """A host profile is missing or its file is not one."""


class CaptureError(MigkitError):
    """A folder is not a capture of a migration, or a file of it cannot be read."""


class TraceLogError(MigkitError):
    """A file is not a QEMU trace log, or nothing in it can be read."""


class StreamError(MigkitError):
    """A migration stream is malformed, cut short, or not one; names the offset and the record.

    Parameters
    ----------
    text : str
        The line.
    offset : int
        Where in the stream, bytes from its file's start.
    record : str
        What was being read there.
    """

    def __init__(self, text: str, offset: int = 0, record: str = "") -> None:
        super().__init__(text)
        self.offset = offset
        self.record = record

    @classmethod
    def at(cls, offset: int, record: str, found: str, fix: str) -> Self:
        """Make an error that says where in the stream it is.

        Parameters
        ----------
        offset : int
            Bytes from the start of the stream's file.
        record : str
            What was being read there.
        found : str
            What was found instead.
        fix : str
            What to do about it.

        Returns
        -------
        StreamError
            With `offset` and `record` as attributes.

        Examples
        --------
        >>> raise StreamError.at(8, "configuration", "the stream ends", "give all of it")
        Traceback (most recent call last):
            ...
        migkit.errors.StreamError: offset 8 (0x8), configuration · the stream ends · give all of it
        """
        return cls(
            one_line(f"offset {offset} ({offset:#x}), {record}", found, fix), offset, record
        )


class ChannelError(MigkitError):
    """An address is not one, cannot be reached or listened on, or a channel broke."""


class UserfaultfdError(MigkitError):
    """Faults on missing pages cannot be followed here: not Linux, or it is not permitted."""


class StorageError(MigkitError):
    """A stored migration cannot be written, or read back."""


class DatasetError(MigkitError):
    """A data set is not known, not found, or not the one that was registered."""


class EngineError(MigkitError):
    """The engine stopped because one of its own invariants does not hold."""


class ReproduceError(MigkitError):
    """A piece of the reproduced evidence could not be made."""


class LabError(MigkitError):
    """No fitting QEMU is at hand, it cannot be installed, or it did not do what it was told."""


class NotSimulatedError(MigkitError):
    """The scenario asks for capabilities that the engine does not model.

    Parameters
    ----------
    capabilities : iterable of str
        QEMU's names of them; a parameter's with its value.

    Examples
    --------
    >>> raise NotSimulatedError(["multifd"])
    Traceback (most recent call last):
        ...
    migkit.errors.NotSimulatedError: simulate with multifd · not modelled by this engine: multifd \
· leave it out, or read a capture of it instead
    """

    def __init__(self, capabilities: Iterable[str]) -> None:
        self.capabilities = tuple(capabilities)
        names = ", ".join(self.capabilities)
        super().__init__(
            one_line(
                f"simulate with {names}",
                f"not modelled by this engine: {names}",
                "leave it out, or read a capture of it instead",
            )
        )
