# The two virtual machines, and what a command has to wait for.

from libc.stdint cimport int64_t

cdef struct Sides:
    int64_t source              # run states
    int64_t before              # of the source, when `migrate` was taken
    int64_t destination
    bint images_locked          # the guest's disks, by whoever uses them
    bint blindly                # the source restarts though it cannot have them (up to 10.0)
    bint lock_held              # the big QEMU lock, by the migration thread
    int64_t lock_released_ns
    bint connect_failed
    int64_t destination_failed_ns   # -1: it has not
    int64_t whole_stream_ns         # precopy: when the destination starts, if no cut; -1: not sent
    int64_t iterables_arrive_ns     # when the destination comes to the last of them; -1: not yet
    int64_t devices_arrive_ns       # and to the first device after them
    int64_t held_ns                 # how long the last segment is held back (Nagle)
