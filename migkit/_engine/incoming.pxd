# The destination of a postcopy migration: what is on its way to it, and its vCPUs.

from libc.stdint cimport int64_t

from migkit._engine.blocktime cimport Blocktime
from migkit._engine.queues cimport Queue

cdef enum:
    PONG = -1               # a message that is no request
    PONG_PACKAGE_LOADED = -2


cdef struct PostcopyCosts:  # times in ns
    int64_t page_ns
    int64_t place_zero_page_ns
    int64_t socket_bytes
    int64_t socket_wake_bytes
    int64_t discard_range_ns
    int64_t listen_ns
    int64_t request_ns
    int64_t account_ns
    int64_t delayed_ack_ns
    int64_t urgent_place_ns
    int64_t connect_ns


cdef struct Vcpu:
    int64_t free_ns         # when it is done with what it did last
    bint waits              # for a page
    bint asked              # and the fault thread has seen it
    int64_t page
    int64_t fault_ns        # when the fault thread sees it
    int64_t row             # of the table of faults
    Queue writes            # due time and page of its writes that are not done


cdef struct Incoming:
    PostcopyCosts costs
    bint accounts_blocktime
    Blocktime blocktime
    int vcpus
    Vcpu *vcpu
    int64_t taken      # writes that went to a vCPU
    int first_touch    # pages the guest writes before anything else that are done
    int waiting        # vCPUs that wait
    int next_vcpu      # who writes next, and when; -1 = not known
    int64_t next_write_ns
    int64_t quiet_until_ns     # nothing happens here before this
    Queue in_flight    # when a page is in place, and the page
    int64_t batch      # pages at its end that the write in the making has
    Queue urgent       # the same of the second channel
    int64_t urgent_placed_ns   # when the last of these is in place
    Queue handling     # when the fault thread sees a fault, and whose
    Queue accounts     # when a placed page is accounted, and the page
    Queue messages     # when the destination has something to say, and what: row or PONG
    Queue requests     # when a request reaches the source, and its row
    Queue asked        # row and page of the requests the source has not looked at
    int64_t discarded_ns    # when it has dropped all pages that the source named so far
    int64_t acked_ns   # when all it said will be acknowledged: what follows waits for that
    int64_t heard_ns        # when the last of it reaches the source; -1 = nothing said
    bint unacked            # and the source's TCP has not acknowledged it yet
    bint interactive        # because it expects to send something itself soon
    int64_t fault_thread_ns    # the fault thread sees nothing before this
    bint broken        # the link is down
    int64_t stuck_row  # the fault that the fault thread cannot ask for meanwhile; -1 = none

cdef void prepare(Incoming *d, int vcpus, bint in_ns) except *
cdef void discard(Incoming *d) noexcept nogil
cdef bint lost(const Incoming *d) noexcept nogil
