"""How a page in the cache of xbzrle differs from the page now, and the record of that."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from migkit._engine.draws cimport counter, high_half
from migkit._engine.types cimport PAGE_BYTES
from migkit._engine.xbzrle cimport encode_page

cdef enum:
    FILL_DRAWS = 1 << 20
    TOUCH_DRAWS = 1 << 21
    PLACES_MASK = 511
    RECORD_ROOM = 5 * PAGE_BYTES + 4


cdef int64_t encoded_bytes(const Changes *changes, int64_t page,
                           ProgramPages program) noexcept nogil:
    cdef uint8_t old[PAGE_BYTES]
    cdef uint8_t fresh[PAGE_BYTES]
    cdef uint8_t record[RECORD_ROOM]
    if (changes.fill_bytes == 0 and changes.places == 0 and not changes.touched
            and changes.n_stores == 0):
        return 0
    memset(old, 0, PAGE_BYTES)
    memset(fresh, 0, PAGE_BYTES)
    store(old, fresh, changes, page, program)
    fill(fresh, changes)
    scatter(old, fresh, changes.key, 0, changes.places, changes.place_bytes)
    if changes.touched:
        scatter(old, fresh, changes.key, TOUCH_DRAWS, TOUCHED_PLACES, TOUCHED_BYTES)
    return encode_page(old, fresh, PAGE_BYTES, record, PAGE_BYTES)


cdef void store(uint8_t *old, uint8_t *fresh, const Changes *changes, int64_t page,
                ProgramPages program) noexcept nogil:
    """Put the program's writes into the page, and what they overwrote into its copy."""
    cdef int64_t i, number, at
    for i in range(changes.n_stores):
        number = changes.stores[i]
        at = (number & PLACES_MASK) * 8
        put_word(old + at, program.before(page, number, changes.copied_at))
        put_word(fresh + at, <uint32_t> number)


cdef inline void put_word(uint8_t *at, uint32_t word) noexcept nogil:
    """Write four bytes, the lowest first."""
    cdef int byte
    for byte in range(4):
        at[byte] = <uint8_t> (word >> (8 * byte))


cdef void fill(uint8_t *fresh, const Changes *changes) noexcept nogil:
    """Make the page new up to where it holds data: a byte is equal by chance only."""
    cdef int64_t i
    cdef uint64_t draw = 0
    for i in range(changes.fill_bytes):
        if i & 7 == 0:
            draw = counter(changes.key, <uint64_t> (FILL_DRAWS + (i >> 3)))
        fresh[i] = <uint8_t> (draw >> (8 * (i & 7)))


cdef void scatter(uint8_t *old, uint8_t *fresh, uint64_t key, int64_t first, int64_t places,
                  int64_t place_bytes) noexcept nogil:
    """Make the pages differ at places drawn."""
    cdef int64_t number, at
    cdef uint64_t draw
    for number in range(places):
        draw = counter(key, <uint64_t> (first + number))
        at = <int64_t> high_half(draw, <uint64_t> (PAGE_BYTES - place_bytes + 1))
        memset(old + at, 0, <size_t> place_bytes)
        memset(fresh + at, <int> (1 + (draw & 0xFF) % 255), <size_t> place_bytes)
