"""The head of a stream: magic, version and the configuration section.

Source: migration/savevm.c (qemu_savevm_state_header, vmstate_configuration).
"""

from __future__ import annotations

from dataclasses import dataclass

from . import wire
from .cursor import Cursor

__all__ = ["Configuration", "read_header"]

_MOST_MACHINE_NAME = 4096
_MOST_CAPABILITIES = 256
_PREFIX = "configuration/"


@dataclass(frozen=True)
class Configuration:
    """What the head of a stream says.

    Attributes
    ----------
    machine : str
        Name of the machine type; empty where no configuration was sent.
    page_bits : int or None
        Bits of a page, where they are not the target's usual ones.
    capabilities : tuple of str
        Those of the source that change the stream: ``x-ignore-shared``, ``mapped-ram``.
    uuid : str
        Of the machine in hexadecimal digits; empty where it is not to be checked.
    """

    machine: str = ""
    page_bits: int | None = None
    capabilities: tuple[str, ...] = ()
    uuid: str = ""


def read_header(cursor: Cursor) -> Configuration:
    """Read the head of a stream.

    Parameters
    ----------
    cursor : Cursor
        At the first byte; afterwards at the first record.

    Returns
    -------
    Configuration
        Empty where none was sent.

    Raises
    ------
    StreamError
        If it is not the head of a migration stream.
    """
    start = cursor.at
    magic = cursor.u32("magic")
    if magic != wire.VM_FILE_MAGIC:
        raise cursor.fail(
            f"magic {magic:#010x}, that of a migration stream is {wire.VM_FILE_MAGIC:#010x}",
            "give a main stream of migrate, or the offset of it in its file",
            at=start,
        )
    version = cursor.u32("version")
    if version != wire.VM_FILE_VERSION:
        raise cursor.fail(f"version {version}, known is 3", "migrate with a newer QEMU", start + 4)
    if not cursor.have(1) or cursor.data[cursor.at] != wire.CONFIGURATION:
        return Configuration()
    cursor.record = "configuration"
    cursor.at += 1
    return _configuration(cursor)


def _configuration(cursor: Cursor) -> Configuration:
    length = cursor.u32("length of the machine's name")
    if length > _MOST_MACHINE_NAME:
        raise cursor.fail(f"a machine's name of {length} B, allowed {_MOST_MACHINE_NAME} B")
    machine = cursor.take(length, "machine's name").decode("utf-8", "replace")
    found: dict[str, object] = {}
    while cursor.have(1) and cursor.data[cursor.at] == wire.SUBSECTION:
        cursor.at += 1
        name = cursor.text("name of a subsection")
        cursor.u32("version of a subsection")
        if name == _PREFIX + "target-page-bits":
            found["page_bits"] = _page_bits(cursor)
        elif name == _PREFIX + "capabilities":
            count = cursor.u32("number of capabilities")
            if count > _MOST_CAPABILITIES:
                raise cursor.fail(f"{count} capabilities, allowed {_MOST_CAPABILITIES}")
            found["capabilities"] = tuple(cursor.text("capability") for _ in range(count))
        elif name == _PREFIX + "uuid":
            found["uuid"] = cursor.take(16, "uuid").hex()
        else:
            raise cursor.fail(f"subsection {name} is not known", "leave out what adds it")
    return Configuration(machine=machine, **found)  # type: ignore[arg-type]


def _page_bits(cursor: Cursor) -> int:
    bits = cursor.u32("target-page-bits")
    if not (bits < 64 and 1 << bits in wire.PAGE_SIZES):
        raise cursor.fail(f"target-page-bits {bits}, allowed 10..16")
    return bits
