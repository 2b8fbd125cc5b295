# From a plan to a world: a file as target, and capabilities that follow the guest's memory.

from migkit._engine.world cimport World

cdef int take_target_fields(World w, plan) except -1
