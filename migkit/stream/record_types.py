"""What the records of a main stream are: sections by kind, commands, and what they begin with."""

from __future__ import annotations

from typing import NamedTuple

from . import wire

__all__ = ["KIND_NAMES", "Head", "Record"]


class Record(NamedTuple):
    """One record of a main stream.

    Attributes
    ----------
    kind : str
        One of `migkit.schema.STREAM_RECORD_KINDS`.
    offset, length : int
        Where it begins in its file, and its bytes with head and footer; a package's without what
        is in it.
    section_id, instance_id, version_id : int or None
        Of a section.
    name : str
        The handler of a section, or the name of a command.
    value : int or None
        Of a command.
    in_package : bool
        It lies in the package that opens postcopy.
    body_at : int or None
        Where a section's body begins.
    flushes : int or None
        Words ``RAM_SAVE_FLAG_MULTIFD_FLUSH`` in a section of RAM; None for all others.
    """

    kind: str
    offset: int
    length: int
    section_id: int | None = None
    instance_id: int | None = None
    version_id: int | None = None
    name: str = ""
    value: int | None = None
    in_package: bool = False
    body_at: int | None = None
    flushes: int | None = None


class Head(NamedTuple):
    """What a section begins with."""

    section_id: int
    instance_id: int
    version_id: int
    name: str


KIND_NAMES = {
    wire.SECTION_START: "start",
    wire.SECTION_PART: "part",
    wire.SECTION_END: "end",
    wire.SECTION_FULL: "full",
}
