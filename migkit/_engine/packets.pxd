# multifd's channels: what each sender thread does with its packet, and how long it takes. See
# migkit/oracle/packets.py for the meaning of each part.

from libc.stdint cimport int64_t, uint64_t

from migkit._engine.content cimport MOST_CONTENTS

cdef enum:
    PAGES_PER_PACKET = 128
    PACKET_HEADER_BYTES = 1344
    HELLO_BYTES = 64


cdef struct Sender:        # one sender thread with its socket; what it does, if it is busy
    bint busy
    bint counted
    bint zero_copied
    int64_t normal
    int64_t zero
    int64_t header_bytes
    int64_t data_bytes
    int64_t began_ns
    int64_t prepared_ns
    int64_t runs_until_ns
    int64_t written_ns
    int64_t drain_end
    int64_t sync_ns


cdef struct Costs:          # of migkit.host.multifd_costs.MultifdCosts
    int64_t open_ns
    int64_t open_channel_ns
    int64_t wake_ns
    int64_t queue_page_ns
    int64_t test_page_ns
    int64_t test_zero_page_ns
    int64_t packet_ns
    int64_t write_ns
    int64_t write_byte_ps
    int64_t zero_copy_byte_ps
    bint zero_copy_copied
    int64_t first_touch_page_ns
    int64_t destination_page_ns
    int64_t destination_zero_page_ns
    int64_t side_by_side_percent
    int64_t send_buffer_bytes


cdef struct Payload:        # what a page becomes
    int64_t page_millibytes
    int64_t packet_bytes
    int64_t compress_page_ns
    int64_t decompress_page_ns


cdef struct Senders:       # all of them, the batch of the migration thread, the counters
    # inputs
    Costs costs
    Payload payloads[MOST_CONTENTS]     # of a page of each class
    bint by_page                        # whether pages with data differ in that
    bint flush_after_each_section
    bint packets
    int64_t together_permille
    bint zero_copy
    int count
    int link_count
    int contention_count
    int64_t *links
    int64_t *contention_permille
    uint64_t race_key
    # the batch
    int block
    int64_t normal
    int64_t zero
    int64_t payload_millibytes
    int64_t ending_bytes
    int64_t zero_pages[PAGES_PER_PACKET]    # which they are, with a file
    int64_t compress_ns
    int64_t decompress_ns
    # channels and links
    Sender *channels
    int64_t *link_free_ns
    int next_channel
    int64_t next_ns
    int64_t shared_free_ns
    int64_t wakes
    # counters
    int64_t bytes
    int64_t packet_num
    int64_t missed_zero_copy

cdef int64_t header_bytes(Senders *m) noexcept nogil
cdef int64_t lateness(Senders *m, int64_t at) noexcept nogil
cdef void start(Senders *m, int index, int64_t at, bint detects, bint first_touch,
                int64_t link_bandwidth, int64_t backlog) noexcept nogil
cdef void add(Senders *m, int64_t pages, int64_t kind) noexcept nogil
cdef void note_next(Senders *m) noexcept nogil
cdef Senders *make_senders(plan) except NULL
cdef void free_senders(Senders *m) noexcept nogil
