# What belongs to a target that is a file, and to capabilities that follow the guest's memory.

from libc.stdint cimport int64_t, uint64_t

from migkit._engine.bitmap cimport clear_bit, set_bit, test

cdef struct Target:             # where the stream goes when it goes to no destination
    bint is_file                # a file, or a command's standard input
    bint mapped_ram
    int64_t byte_ps
    int64_t scattered_write_ns
    int64_t cache_bytes
    int64_t position            # where the stream goes on in the file
    int64_t file_bytes          # the file's length
    int64_t rewritten_pages     # pages written where one stood before
    uint64_t *file_bmap         # pages that the file holds
    uint64_t *file_written      # and those it held once
    int64_t *bitmap_offset      # of each block in the file
    int64_t *pages_offset


cdef struct Shared:             # x-ignore-shared
    bint lists_addresses
    int64_t migrated_pages      # of all blocks that are not ignored
    bint *ignored


cdef struct Release:            # release-ram
    bint on
    int64_t page_ns
    int64_t range_ns
    int64_t put_pages           # put into the vector, given back once it is written
    int64_t switch_pages        # given back when the guest went over
    int64_t sent_pages          # given back as they were sent


cdef struct Snapshot:           # background-snapshot
    bint on
    bint vm_paused              # since the device state was saved
    bint faulted
    bint fault_seen
    int64_t populate_page_ps
    int64_t protect_ns
    int64_t protect_page_ps
    int64_t resume_ns
    int64_t poll_ns
    int64_t fault_ns
    int64_t unprotect_ns
    int64_t wake_ns
    int64_t runs_ns             # when the guest runs again
    int64_t vcpu_free_ns
    int first_touch             # pages written before anything else that are done
    int64_t quiet_until_ns      # the guest does not write before this
    int64_t fault_page
    int64_t fault_at_ns
    int64_t fault_sent_ns
    int64_t buffer_bytes        # device state, saved before RAM
    uint64_t *locked            # pages that the guest cannot write yet


cdef inline void note_in_file(Target *target, int64_t page, bint holds_data) noexcept nogil:
    """The file holds the page from now on, or does not any longer: it is zero."""
    if not holds_data:
        clear_bit(target.file_bmap, page)
        return
    if test(target.file_written, page):
        target.rewritten_pages += 1
    set_bit(target.file_written, page)
    set_bit(target.file_bmap, page)
