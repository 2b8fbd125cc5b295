# How long vCPUs waited for pages, as QEMU's destination accounts it.

from libc.stdint cimport int64_t

from migkit._engine.queues cimport Queue

cdef enum:
    LATENCY_BUCKETS = 24


cdef struct BlockedVcpu:
    int64_t faults          # since 10.1: all, and those that are open
    int64_t open
    int64_t total           # ns since 10.1, ms before
    int64_t page            # before 10.1: the last one it asked for, and when; -1 = none
    int64_t asked_ms


cdef struct Blocktime:
    bint in_ns              # the accounting since 10.1
    int vcpus
    BlockedVcpu *vcpu
    int64_t down            # vCPUs that wait
    int64_t last_begin
    int64_t total           # while all of them waited
    int64_t start_ns        # before 10.1: milliseconds count from here
    int64_t bucket[LATENCY_BUCKETS]
    Queue open_page         # page and vCPU of every open fault
    Queue open_since        # when it began, and nothing

cdef void begin(Blocktime *b, int vcpu, int64_t page, int64_t now_ns) noexcept nogil
cdef void end(Blocktime *b, int64_t page, int64_t now_ns) noexcept nogil
cdef void prepare(Blocktime *b, int vcpus, bint in_ns) except *
cdef void discard(Blocktime *b) noexcept nogil
cdef dict account(const Blocktime *b)
