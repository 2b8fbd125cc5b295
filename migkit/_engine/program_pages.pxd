# The pages of the captures' guest: what was in four bytes of a page before a write, told by going
# back through its random numbers. Nothing is kept for a page or a write.

from libc.stdint cimport int64_t, uint32_t

from migkit._engine.draws cimport Range
from migkit._engine.programs cimport Kind


cdef class ProgramPages:
    cdef Kind kind
    cdef int64_t base_page, pages, total_pages, hot_percent
    cdef int64_t numbers_a_write
    cdef Range hundred, all_pages, hot, cold
    cdef uint32_t start                 # state before the first number
    cdef uint32_t powers[64][32]        # the step's matrix to the powers of two
    cdef uint32_t back[4][256]          # 512 writes back, a byte of the state at a time

    # What the four bytes of write `number` held before it, as of write `as_of`.
    cdef uint32_t before(self, int64_t page, int64_t number, int64_t as_of) noexcept nogil

    cdef uint32_t state_before(self, int64_t number) noexcept nogil
    cdef uint32_t jump(self, int64_t steps) noexcept nogil
    cdef uint32_t step_back(self, uint32_t state) noexcept nogil
    cdef int64_t page_of(self, int64_t number, uint32_t state) noexcept nogil

cdef ProgramPages make_program_pages(spec)
