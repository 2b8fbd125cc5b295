"""The pages of the captures' guest: what was in a page before a write.

Its program fills them with the numbers of its generator, 32 bits each; write n, from 1 on, puts
n as four bytes at offset (n & 511) * 8. So only every 512th write can have gone to the same place.
"""

from libc.stdint cimport int64_t, uint32_t

from migkit._engine.draws cimport make_range, modulo, times_matrix, xorshift32, xorshift32_start
from migkit._engine.programs cimport HOT_COLD, SEQUENTIAL, UNIFORM

from migkit.workload_values import DRAWS_PER_FILLED_PAGE

cdef enum:
    PLACES = 512            # a page has so many places for the running count
    PERIOD = 0xFFFFFFFF     # of the generator
    WORDS = 1024

cdef dict KINDS = {"sequential": SEQUENTIAL, "uniform": UNIFORM, "hotcold": HOT_COLD}


cdef class ProgramPages:
    """ProgramPages()

    The pages of one program; made by `make_program_pages`.
    """

    cdef uint32_t before(self, int64_t page, int64_t number, int64_t as_of) noexcept nogil:
        cdef int64_t index = page - self.base_page, earlier = number - PLACES
        cdef uint32_t state = 0
        if self.kind != SEQUENTIAL and earlier > 0:
            state = self.state_before(earlier)
        while earlier > 0:
            if earlier <= as_of and self.page_of(earlier, state) == index:
                return <uint32_t> earlier
            if self.kind != SEQUENTIAL:
                state = self.step_back(state)
            earlier -= PLACES
        if not 0 <= index < self.total_pages:
            return 0
        return self.jump(index * WORDS + 2 * (number & (PLACES - 1)) + 1)

    cdef uint32_t state_before(self, int64_t number) noexcept nogil:
        """Return the generator's state before the numbers of a write."""
        return self.jump(self.total_pages * WORDS + (number - 1) * self.numbers_a_write)

    cdef uint32_t jump(self, int64_t steps) noexcept nogil:
        """Return the generator's state after so many numbers from the start."""
        cdef uint32_t state = self.start
        cdef int bit = 0
        while steps:
            if steps & 1:
                state = times_matrix(self.powers[bit], state)
            steps >>= 1
            bit += 1
        return state

    cdef uint32_t step_back(self, uint32_t state) noexcept nogil:
        """Return the state 512 writes earlier."""
        return (self.back[0][state & 0xFF] ^ self.back[1][state >> 8 & 0xFF]
                ^ self.back[2][state >> 16 & 0xFF] ^ self.back[3][state >> 24])

    cdef int64_t page_of(self, int64_t number, uint32_t state) noexcept nogil:
        """Return which page of the program a write went to."""
        cdef uint32_t first
        if self.kind == SEQUENTIAL:
            return (number - 1) % self.pages
        first = xorshift32(state)
        if self.kind == UNIFORM:
            return <int64_t> modulo(first, self.all_pages)
        if <int64_t> modulo(first, self.hundred) < self.hot_percent:
            return <int64_t> modulo(xorshift32(first), self.hot)
        return <int64_t> (self.hot.size + modulo(xorshift32(first), self.cold))


cdef ProgramPages make_program_pages(spec):
    """Return the pages of a fitted workload, a single program of the captures' generator."""
    cdef ProgramPages made = ProgramPages()
    cdef int bit, power
    made.kind = KINDS[spec.kind]
    made.base_page = spec.base_page
    made.pages = spec.pages
    made.total_pages = spec.total_pages
    made.numbers_a_write = 2 if made.kind == HOT_COLD else 1
    made.hundred = make_range(100)
    made.all_pages = make_range(spec.pages)
    if made.kind == HOT_COLD:
        made.hot_percent = spec.hot_percent
        made.hot = make_range(spec.hot_pages)
        made.cold = make_range(spec.pages - spec.hot_pages)
    made.start = xorshift32_start(spec.seed)
    assert DRAWS_PER_FILLED_PAGE == WORDS
    for bit in range(32):
        made.powers[0][bit] = xorshift32(<uint32_t> 1 << bit)
    for power in range(1, 64):
        for bit in range(32):
            made.powers[power][bit] = times_matrix(
                made.powers[power - 1], made.powers[power - 1][bit]
            )
    fill_back(made)
    return made


cdef void fill_back(ProgramPages made) noexcept:
    """Make the tables of 512 writes back: forward by the rest of the generator's period."""
    cdef int64_t steps = PERIOD - PLACES * made.numbers_a_write
    cdef uint32_t columns[32]
    cdef uint32_t column
    cdef int bit, power, byte, value
    for bit in range(32):
        column = <uint32_t> 1 << bit
        for power in range(33):
            if steps >> power & 1:
                column = times_matrix(made.powers[power], column)
        columns[bit] = column
    for byte in range(4):
        for value in range(256):
            made.back[byte][value] = times_matrix(columns, <uint32_t> value << (8 * byte))
