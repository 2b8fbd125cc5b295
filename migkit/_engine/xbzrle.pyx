"""XBZRLE, the delta encoding of a page against its earlier self (migration/xbzrle.c)."""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from migkit.errors import InputError

cdef enum:
    MAX_LENGTH = 0x3FFF     # what a length of two bytes can tell

MAX_PAGE_BYTES = MAX_LENGTH


cdef inline int64_t put_length(uint8_t *out, int64_t value) noexcept nogil:
    """Write a length (ULEB128 of at most two bytes); return its size."""
    if value < 0x80:
        out[0] = <uint8_t> value
        return 1
    out[0] = <uint8_t> (value & 0x7F | 0x80)
    out[1] = <uint8_t> (value >> 7)
    return 2


cdef int64_t encode_page(const uint8_t *old, const uint8_t *fresh, int64_t size, uint8_t *out,
                         int64_t limit) noexcept nogil:
    """Write the record of `fresh`; return its size, or -1 if it would pass `limit`."""
    cdef int64_t at = 0, began, used = 0
    while at < size:
        if used + 2 > limit:
            return -1
        began = at
        while at + 8 <= size and memcmp(old + at, fresh + at, 8) == 0:
            at += 8
        while at < size and old[at] == fresh[at]:
            at += 1
        if at == size:
            break
        used += put_length(out + used, at - began)
        if used + 2 > limit:
            return -1
        began = at
        while at < size and old[at] != fresh[at]:
            at += 1
        used += put_length(out + used, at - began)
        if used + at - began > limit:
            return -1
        memcpy(out + used, fresh + began, <size_t> (at - began))
        used += at - began
    return used


cdef inline int64_t get_length(const uint8_t *record, int64_t size, int64_t *at) noexcept nogil:
    """Read a length and step over it; -1 if it is broken."""
    cdef int64_t i = at[0]
    if i < size and record[i] < 0x80:
        at[0] = i + 1
        return record[i]
    if i + 1 >= size or record[i + 1] >= 0x80:
        return -1
    at[0] = i + 2
    return (record[i] & 0x7F) | (<int64_t> record[i + 1] << 7)


cdef int64_t decode_page(const uint8_t *record, int64_t record_bytes, uint8_t *page,
                         int64_t size) noexcept nogil:
    """Bring `page` up to date; return -1, or the byte at which the record is broken."""
    cdef int64_t source = 0, at = 0, run, began
    while source < record_bytes:
        began = source
        run = get_length(record, record_bytes, &source)
        if run < 0 or (run == 0 and began > 0):
            return began
        at += run
        began = source
        run = get_length(record, record_bytes, &source)
        if run <= 0 or at + run > size or source + run > record_bytes:
            return began
        memcpy(page + at, record + source, <size_t> run)
        at += run
        source += run
    return -1


def encode(bytes old not None, bytes new not None, int64_t limit):
    """Encode `new` against `old`: nothing if they are equal, None if it takes over `limit` bytes.

    See :func:`migkit.oracle.xbzrle.encode`.
    """
    cdef int64_t size = len(old), used
    cdef const uint8_t *before = old
    cdef const uint8_t *after = new
    cdef uint8_t *out
    check_pages(size, len(new))
    # A pair holds a byte that differs; its two lengths take four bytes at the most.
    out = <uint8_t *> malloc(<size_t> (5 * size + 4))
    if out == NULL:
        raise MemoryError
    with nogil:
        used = encode_page(before, after, size, out, limit)
    try:
        return None if used < 0 else <bytes> (<const char *> out)[:used]
    finally:
        free(out)


def decode(bytes record not None, bytes old not None):
    """Bring `old` up to date; refuses a record that no encoder writes."""
    cdef int64_t size = len(old), wrong
    cdef bytearray page = bytearray(old)
    cdef uint8_t *into = page
    cdef const uint8_t *source = record
    cdef int64_t record_bytes = len(record)
    check_pages(size, size)
    with nogil:
        wrong = decode_page(source, record_bytes, into, size)
    if wrong >= 0:
        raise InputError.of(
            f"XBZRLE record, byte {wrong}", "not what an encoder writes", "give a whole record"
        )
    return bytes(page)


cdef int check_pages(int64_t old_bytes, int64_t new_bytes) except -1:
    """Refuse pages of different sizes, or too large for a length."""
    if old_bytes != new_bytes or old_bytes > MAX_LENGTH:
        raise InputError.of(
            f"pages of {old_bytes} and {new_bytes} bytes",
            f"allowed equal sizes up to {MAX_LENGTH}",
            "give two such pages",
        )
    return 0
