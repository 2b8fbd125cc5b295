# The thread of a background snapshot, in place of the migration thread's passes.

from migkit._engine.world cimport World

cdef void prepare(World w) noexcept nogil
cdef void start(World w) noexcept nogil
cdef void iteration_run(World w) noexcept nogil
