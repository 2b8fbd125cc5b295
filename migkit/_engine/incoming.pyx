"""What the destination of a postcopy migration holds; `destination` moves it on."""

from libc.stdlib cimport calloc, free

from migkit._engine cimport blocktime
from migkit._engine.queues cimport release


cdef void prepare(Incoming *d, int vcpus, bint in_ns) except *:
    """Make a destination on which nothing has happened; `in_ns`: the accounting since 10.1."""
    d.vcpu = <Vcpu *> calloc(<size_t> vcpus, sizeof(Vcpu))
    if d.vcpu == NULL:
        raise MemoryError
    d.vcpus = vcpus
    blocktime.prepare(&d.blocktime, vcpus, in_ns)
    d.heard_ns = d.next_vcpu = d.stuck_row = -1


cdef void discard(Incoming *d) noexcept nogil:
    """Free what it took."""
    cdef int index
    for index in range(d.vcpus):
        release(&d.vcpu[index].writes)
    free(d.vcpu)
    blocktime.discard(&d.blocktime)
    release(&d.in_flight)
    release(&d.urgent)
    release(&d.handling)
    release(&d.accounts)
    release(&d.messages)
    release(&d.requests)
    release(&d.asked)


cdef bint lost(const Incoming *d) noexcept nogil:
    """Whether something did not fit into memory."""
    cdef int index
    for index in range(d.vcpus):
        if d.vcpu[index].writes.lost:
            return True
    return (
        d.in_flight.lost or d.urgent.lost or d.handling.lost or d.accounts.lost
        or d.messages.lost or d.requests.lost or d.asked.lost
        or d.blocktime.open_page.lost or d.blocktime.open_since.lost
    )
