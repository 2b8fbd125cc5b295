# From a plan to a world: the one place where Python values become C values.

from migkit._engine.world cimport World

cdef World make_world(plan, progress)
