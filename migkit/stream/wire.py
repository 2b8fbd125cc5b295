"""The constants of the migration stream, by QEMU's names.

Sources: migration/savevm.h (sections, commands), migration/ram.c (``RAM_SAVE_FLAG_*``),
migration/migration.h (return path), migration/multifd.h (packets).
"""

from __future__ import annotations

from typing import Final

VM_FILE_MAGIC: Final = 0x5145564D
VM_FILE_VERSION: Final = 3

VM_EOF: Final = 0x00
SECTION_START: Final = 0x01
SECTION_PART: Final = 0x02
SECTION_END: Final = 0x03
SECTION_FULL: Final = 0x04
SUBSECTION: Final = 0x05
VMDESCRIPTION: Final = 0x06
CONFIGURATION: Final = 0x07
COMMAND: Final = 0x08
SECTION_FOOTER: Final = 0x7E

FOOTER_BYTES: Final = 5
"""A footer: its byte and the section id."""

RAM_SAVE_FLAG_FULL: Final = 0x01
RAM_SAVE_FLAG_ZERO: Final = 0x02
RAM_SAVE_FLAG_MEM_SIZE: Final = 0x04
RAM_SAVE_FLAG_PAGE: Final = 0x08
RAM_SAVE_FLAG_EOS: Final = 0x10
RAM_SAVE_FLAG_CONTINUE: Final = 0x20
RAM_SAVE_FLAG_XBZRLE: Final = 0x40
RAM_SAVE_FLAG_HOOK: Final = 0x80
RAM_SAVE_FLAG_COMPRESS_PAGE: Final = 0x100
RAM_SAVE_FLAG_MULTIFD_FLUSH: Final = 0x200

COMMANDS: Final = (
    "INVALID",
    "OPEN_RETURN_PATH",
    "PING",
    "POSTCOPY_ADVISE",
    "POSTCOPY_LISTEN",
    "POSTCOPY_RUN",
    "POSTCOPY_RAM_DISCARD",
    "PACKAGED",
    "ENABLE_COLO",
    "POSTCOPY_RESUME",
    "RECV_BITMAP",
    "SWITCHOVER_START",
)
"""Commands by number: migration/savevm.c (``enum qemu_vm_cmd``)."""

PING_PACKAGE_LOADED: Final = 0x42

RETURN_PATH: Final = (
    "INVALID",
    "SHUT",
    "PONG",
    "REQ_PAGES_ID",
    "REQ_PAGES",
    "RECV_BITMAP",
    "RESUME_ACK",
    "SWITCHOVER_ACK",
)
"""Messages of the return path by number: migration/migration.h (``enum mig_rp_message_type``)."""

MOST_MESSAGE_BYTES: Final = 512
RECV_BITMAP_END: Final = 0x0123456789ABCDEF

MULTIFD_MAGIC: Final = 0x11223344
MULTIFD_VERSION: Final = 1
MULTIFD_INIT_BYTES: Final = 64
MULTIFD_HEADER_BYTES: Final = 320
MULTIFD_DEVICE_HEADER_BYTES: Final = 276
MULTIFD_PACKET_BYTES: Final = 524288
"""Guest memory in a full packet; a page size of it each has its offset in the header."""
MULTIFD_FLAG_SYNC: Final = 0x1
MULTIFD_METHODS: Final = {0x0: "none", 0x2: "zlib", 0x4: "zstd", 0x8: "qpl", 0x10: "uadk",
                          0x20: "qatzip"}  # fmt: skip
MULTIFD_FLAG_METHOD: Final = 0x3E
MULTIFD_FLAG_DEVICE_STATE: Final = 0x40

MAPPED_RAM_HEADER_BYTES: Final = 28
MAPPED_RAM_VERSION: Final = 1

PAGE_BYTES: Final = 4096
"""Page size where the stream does not tell: x86 and most Arm guests."""
PAGE_SIZES: Final = tuple(1 << bits for bits in range(10, 17))
"""Page sizes a target can have; the flags of a page record need the lowest ten bits."""

MOST_BLOCKS: Final = 10_000
"""RAM blocks that are read before a list counts as hostile; a large machine has some hundreds."""
MOST_RECORDS: Final = 10_000_000
"""Sections and commands that are read before a stream counts as hostile."""
MOST_VMDESC_BYTES: Final = 16 << 20
"""A description of devices that is longer is not looked at; that of a large machine has 1 MiB."""
