# The vCPUs, once each goes its own way through the program's writes; see migkit.oracle.vcpus.
# Times are the program's own where the name says so, virtual time otherwise.

from libc.stdint cimport int64_t

from migkit._engine.programs cimport Program
from migkit._engine.writers cimport Writer

cdef struct Vcpu:
    Program *program            # the writer's own where there is one vCPU
    Program copy
    int64_t index, count        # it makes the writes whose number modulo `count` is `index`
    int64_t before              # writes made before migration began
    int64_t lead_ns             # and how long that was
    int64_t free_ns, sleep_end_ns, sleep_us
    int64_t *ring
    int64_t entries, dirty_pages
    int64_t measured_pages, rate_mb_per_s       # dirty-limit: count at its start, last result

cdef struct Vcpus:
    int count
    bint executing              # else nobody needs to know which of them writes
    int64_t reaper_ns           # when all rings are read next; INT64_MAX without rings
    Vcpu *all

# Give each vCPU its place among the writes that are to come; False when there is no memory.
cdef bint make_vcpus(Vcpus *cpus, int count, Writer writer, int64_t ring_entries) noexcept nogil
cdef void free_vcpus(Vcpus *cpus) noexcept

# Whether its next write is due by then; program time and page of it, which `drop_write` takes.
cdef bint next_write(Vcpu *vcpu, int64_t program_ns, int64_t *at, int64_t *page) noexcept nogil
cdef void drop_write(Vcpu *vcpu) noexcept nogil
