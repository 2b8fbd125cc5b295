# What the guest's program writes next, as a C struct: no GIL but for callbacks.
# What a workload means is told in migkit.oracle.writers; migkit._engine.writers builds programs.
#
# Times here are a program's own: nanoseconds of guest time since it began. Pages count from the
# start of guest memory.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from migkit._engine.dirty_map cimport DirtyMap
from migkit._engine.draws cimport Range, Zipf
from migkit._engine.rates cimport Rate

cdef enum Kind:
    SEQUENTIAL
    UNIFORM
    HOT_COLD
    ZIPF
    RECORDED
    PHASES
    CALLBACK

# What a kind does not use is zero. Memory and Python objects belong to the Writer.
cdef struct Program:
    Kind kind
    bint ended                  # a callback has nothing more to say
    bint failed                 # and that is because it failed
    void *failures              # list of what a callback or a signal raised
    int64_t base_page
    int64_t pages
    int64_t batch_ns
    # the write that was looked at and not taken yet
    bint ahead
    int64_t ahead_ns
    int64_t ahead_page
    Rate rate
    int64_t written             # the one that was looked at is counted
    # random pages
    bint xorshift
    uint32_t number
    uint64_t key
    int64_t hot_percent
    Range hundred
    Range all_pages
    Range hot
    Range cold
    Zipf zipf
    # rows: recorded writes, or what a callback gave for its last batch
    int64_t n_rows
    int64_t row
    int64_t *row_ns
    int64_t *row_page
    void *spec
    int64_t batch
    int64_t quiet
    # phases: each goes on where it was when its turn comes again
    int64_t n_phases
    int64_t phase
    int64_t began_ns
    Program *phases
    int64_t *last_ns
    int64_t *clock_ns

# Set the bits of all writes up to and including `until_ns`; with NULL they are skipped. True = it
# gave up, the reason is in `failures`.
cdef bint run(Program *p, int64_t until_ns, DirtyMap *log) noexcept nogil

# How many writes have been taken since the program began.
cdef int64_t taken(const Program *p) noexcept nogil

# Phase (or 0) and number of the write that was looked at last; its program's first is 1.
cdef int source_of(const Program *p) noexcept nogil
cdef uint64_t number_of(const Program *p) noexcept nogil

# Whether a callback failed: no more writes are to be expected.
cdef bint gave_up(const Program *p) noexcept nogil

# Fill `ahead` with the next write, if there is one up to and including `until_ns`.
cdef bint look(Program *p, int64_t until_ns) noexcept nogil
