"""XBZRLE, the delta encoding of a page against its earlier self (migration/xbzrle.c).

A record is pairs: how many bytes are equal, how many differ, and these. Lengths take a byte below
128, else two with the low seven bits first; equal bytes at the end are left out.
"""

from __future__ import annotations

from migkit.errors import InputError

MAX_PAGE_BYTES = 0x3FFF  # what a length of two bytes can tell


def encode(old: bytes, new: bytes, limit: int) -> bytes | None:
    """Encode `new` against `old`: nothing if they are equal, None if it takes over `limit` bytes.

    QEMU tests for the two bytes of a length before it writes one, so a record may be refused that
    would fit to the byte.
    """
    check_pages(old, new)
    out = bytearray()
    at = 0
    while at < len(old):
        if len(out) + 2 > limit:
            return None
        differs = run_end(old, new, at, equal=True)
        if differs == len(old):
            break
        out += length(differs - at)
        if len(out) + 2 > limit:
            return None
        at = run_end(old, new, differs, equal=False)
        out += length(at - differs)
        if len(out) + at - differs > limit:
            return None
        out += new[differs:at]
    return bytes(out)


def decode(record: bytes, old: bytes) -> bytes:
    """Bring `old` up to date; refuses a record that no encoder writes."""
    check_pages(old, old)
    page = bytearray(old)
    source = at = 0
    while source < len(record):
        equal, behind = read_length(record, source)
        if equal == 0 and source > 0:
            raise broken(source)
        at += equal
        changed, source = read_length(record, behind)
        if changed == 0 or at + changed > len(page) or source + changed > len(record):
            raise broken(behind)
        page[at : at + changed] = record[source : source + changed]
        at += changed
        source += changed
    return bytes(page)


def check_pages(old: bytes, new: bytes) -> None:
    """Refuse pages of different sizes, or too large for a length."""
    if len(old) != len(new) or len(old) > MAX_PAGE_BYTES:
        raise InputError.of(
            f"pages of {len(old)} and {len(new)} bytes",
            f"allowed equal sizes up to {MAX_PAGE_BYTES}",
            "give two such pages",
        )


def run_end(old: bytes, new: bytes, at: int, *, equal: bool) -> int:
    """Return where the run of equal, or of different, bytes from `at` ends."""
    while equal and at + 64 <= len(old) and old[at : at + 64] == new[at : at + 64]:
        at += 64
    while at < len(old) and (old[at] == new[at]) == equal:
        at += 1
    return at


def length(value: int) -> bytes:
    """Write a length (ULEB128 of at most two bytes)."""
    if value < 0x80:
        return bytes((value,))
    return bytes((value & 0x7F | 0x80, value >> 7))


def read_length(record: bytes, at: int) -> tuple[int, int]:
    """Read a length; return it and where it ends."""
    first = record[at : at + 1]
    if first and first[0] < 0x80:
        return first[0], at + 1
    second = record[at + 1 : at + 2]
    if not second or second[0] >= 0x80:
        raise broken(at)
    return first[0] & 0x7F | second[0] << 7, at + 2


def broken(at: int) -> InputError:
    """Say where a record goes wrong."""
    return InputError.of(
        f"XBZRLE record, byte {at}", "not what an encoder writes", "give a whole record"
    )
