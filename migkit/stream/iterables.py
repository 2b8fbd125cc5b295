"""Bodies of the iterable handlers beside RAM that end by a mark of their own.

Sources: migration/block-dirty-bitmap.c, hw/vfio/migration.c.
"""

from __future__ import annotations

from .cursor import Cursor

__all__ = ["read_dirty_bitmap", "read_vfio"]

_EOS, _ZEROES, _BITMAP_NAME, _DEVICE_NAME, _START, _COMPLETE, _BITS, _EXTENDED = (
    1 << bit for bit in range(8)
)
_END_OF_STATE, _CONFIG_STATE, _SETUP_STATE, _DATA_STATE, _INIT_DATA_SENT, _CONFIG_LOAD_READY = (
    0xFFFFFFFFEF100001 + number for number in range(6)
)


def read_dirty_bitmap(cursor: Cursor) -> None:
    """Read the records of dirty bitmaps to the end of the section.

    Raises
    ------
    StreamError
        At the first byte that begins no record.
    """
    while True:
        start = cursor.at
        flags = cursor.u8("flags of dirty bitmaps")
        if flags & _EXTENDED:
            raise cursor.fail(f"flags {flags:#x}, no QEMU writes the longer form", at=start)
        if flags & _DEVICE_NAME:
            cursor.text("name of a device")
        if flags & _BITMAP_NAME:
            cursor.text("name of a bitmap")
        if flags & _EOS:
            return
        if flags & _START:
            cursor.skip(5, "granularity and flags")
        elif flags & _BITS:
            cursor.skip(12, "sectors")
            if not flags & _ZEROES:
                cursor.skip(cursor.u64("size of bits"), "bits")
        elif not flags & _COMPLETE:
            raise cursor.fail(f"flags {flags:#x} of dirty bitmaps, which no record has", at=start)


def read_vfio(cursor: Cursor) -> bool:
    """Read the body of a VFIO device's section.

    Returns
    -------
    bool
        Whether the end is known; the device's configuration has no length, so its section is left
        by its footer.

    Raises
    ------
    StreamError
        At the first tag that is none.
    """
    while True:
        start = cursor.at
        tag = cursor.u64("tag of VFIO")
        if tag in {_END_OF_STATE, _INIT_DATA_SENT, _CONFIG_LOAD_READY}:
            return True
        if tag == _DATA_STATE:
            cursor.skip(cursor.u64("size of VFIO data"), "VFIO data")
        elif tag == _CONFIG_STATE:
            return False
        elif tag != _SETUP_STATE:
            raise cursor.fail(f"tag {tag:#x} of VFIO is not known", at=start)
