# The vCPUs' dirty rings: read out, and filled again; see migkit.oracle.rings.

from libc.stdint cimport int64_t

from migkit._engine.vcpus cimport Vcpu
from migkit._engine.world cimport World

cdef bint note(World w, int64_t page) noexcept nogil
cdef int64_t reap(World w) noexcept nogil
cdef int64_t reap_one(World w, Vcpu *vcpu) noexcept nogil
cdef void touch(World w) noexcept nogil
