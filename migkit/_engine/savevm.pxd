# Sections of the stream and the round robin over iterable handlers.

from libc.stdint cimport int64_t

from migkit._engine.world cimport World

cdef enum:
    SECTION_HEADER_BYTES = 5
    SECTION_FOOTER_BYTES = 5
    COMMAND_HEADER_BYTES = 5
    FILE_HEADER_BYTES = 13      # magic, version, configuration mark, length of the machine's name
    SECTION_START_BYTES = 14    # plus the name
    RAM_SECTION_ID = 1

cdef enum:
    OPEN_RETURN_PATH = 1
    PING = 2
    POSTCOPY_ADVISE = 3
    POSTCOPY_LISTEN = 4
    POSTCOPY_RUN = 5
    POSTCOPY_RAM_DISCARD = 6
    PACKAGED = 7
    POSTCOPY_RESUME = 9
    RECV_BITMAP = 10
    SWITCHOVER_START = 11

cdef enum Body:                 # what a section holds
    BODY_RAM_ITERATE = 0
    BODY_RAM_COMPLETE = 1
    BODY_END_MARK = 2
    BODY_CHUNK = 3
    BODY_REST = 4

cdef void command(World w, int64_t number, int64_t payload) noexcept nogil
cdef void ping(World w, int64_t value) noexcept nogil
cdef int64_t header_bytes(World w) noexcept nogil
cdef void setup_sections(World w) noexcept nogil
cdef void pending(World w, bint exact, int64_t *must, int64_t *can) noexcept nogil
cdef bint iterate(World w) noexcept nogil
cdef int64_t ram_section(World w, Body body) noexcept nogil
cdef void complete_handlers(World w, bint in_switch) noexcept nogil
cdef int64_t device_bytes(World w) noexcept nogil
