"""Handlers that are not RAM: what they have left, and what they write.

Dirty bitmaps: migration/block-dirty-bitmap.c. VFIO devices: hw/vfio/migration.c. A handler is a
dictionary of its inputs (see :mod:`migkit.plan`) and of what changes while it runs.
"""

from __future__ import annotations

from enum import IntEnum

from migkit.oracle.stream import flush, put, rate_exceeded
from migkit.oracle.world import World

CHUNK_BITS = 8192  # 1 KiB of bitmap
ASSUMED_STOP_COPY_BYTES = 100 << 30  # VFIO_MIG_STOP_COPY_SIZE
TAG_BYTES = 8
CONFIG_TAGS_BYTES = 16
BLOCK_HEADER_BYTES = 16  # tag and size
NS_PER_S = 1_000_000_000


class Kind(IntEnum):
    """Kinds of handlers."""

    GENERIC = 0
    BITMAPS = 1
    VFIO = 2


def setup_bytes(w: World, h: dict) -> int:
    """Return what a handler writes between the header and the footer of its START section."""
    if h["kind"] == Kind.VFIO:
        query_precopy(w, h)
        return 2 * TAG_BYTES
    if h["kind"] == Kind.BITMAPS:
        starts = sum(record_bytes(h, number) + 4 + 1 for number in range(len(h["bitmaps"])))
        return starts + 1
    return 0


def record_bytes(h: dict, number: int) -> int:
    """Return flags and names of a bitmap's next record: a name goes when it is another one."""
    previous, count = h["previous"], 1
    bitmap = h["bitmaps"][number]
    if number != previous:
        count += 1 + bitmap["name_bytes"]
        if previous < 0 or h["bitmaps"][previous]["node"] != bitmap["node"]:
            count += 1 + bitmap["node_bytes"]
    h["previous"] = number
    return count


def pending(w: World, exact: bool) -> tuple[int, int]:
    """Return the bytes left: (must go in precopy, can go in postcopy)."""
    must, can = 0, 0
    for h in w.handlers:
        if h["kind"] == Kind.BITMAPS:
            can += bits_left(h)
        elif h["kind"] == Kind.VFIO:
            must += vfio_exact(w, h) if exact else vfio_estimate(w, h)
        elif h["postcopiable"]:
            can += h["remaining"]
        else:
            must += h["remaining"]
    return must, can


def bits_left(h: dict) -> int:
    """Return the bits still to send, which QEMU counts as bytes."""
    pairs = zip(h["bitmaps"], h["sent_chunks"], strict=True)
    return sum(max(bitmap["bits"] - CHUNK_BITS * sent, 0) for bitmap, sent in pairs)


def vfio_estimate(w: World, h: dict) -> int:
    """Return what the device said last of what it could send while it runs."""
    return h["cached_init"] + h["cached_dirty"] if h["precopy"] and w.vm_running else 0


def vfio_exact(w: World, h: dict) -> int:
    """Ask the device: all that it would give away if it were stopped now."""
    query_precopy(w, h)
    if h["query_fails"]:
        return ASSUMED_STOP_COPY_BYTES
    return h["stop_copy_bytes"] + h["init"] + h["dirty"]


def query_precopy(w: World, h: dict) -> None:
    """Refresh what the device says it could send while it runs."""
    advance(w, h)
    if h["precopy"] and w.vm_running:
        h["cached_init"], h["cached_dirty"] = h["init"], h["dirty"]


def advance(w: World, h: dict) -> None:
    """Let the device dirty its state up to now; a stopped one does nothing, or never did."""
    until = w.t if w.vm_running else max(w.downtime_start_ns, 0)
    rate = h["dirty_rate_bytes_per_s"]
    made = until // NS_PER_S * rate + until % NS_PER_S * rate // NS_PER_S
    h["dirty"] += made - h["made"]
    h["made"] = made
    if h["most_dirty_bytes"] > 0:
        h["dirty"] = min(h["dirty"], h["most_dirty_bytes"])


def iterates(w: World, h: dict) -> bool:
    """Whether a handler takes part in this round (its is_active_iterate and has_postcopy)."""
    if h["kind"] == Kind.BITMAPS:
        return not w.vm_running
    if h["kind"] == Kind.VFIO:
        return h["precopy"] and w.vm_running
    return not w.in_postcopy or h["postcopiable"]


def iterate(w: World, h: dict) -> int:
    """Send a handler's part of a round; return 1 when it has no more."""
    if h["kind"] == Kind.BITMAPS:
        done = send_bitmaps(w, h, limited=True)
        write(w, h, 1)
        return int(done)
    if h["kind"] == Kind.VFIO:
        return vfio_iterate(w, h)
    return send_bytes(w, h, min(h["chunk_bytes"], h["remaining"]))


def complete(w: World, h: dict) -> int:
    """Send all that a handler has left (its save_complete hook)."""
    if h["kind"] == Kind.BITMAPS:
        send_bitmaps(w, h, limited=False)
        write(w, h, sum(record_bytes(h, number) for number in range(len(h["bitmaps"]))) + 1)
        return 0
    if h["kind"] == Kind.VFIO:
        advance(w, h)
        while send_block(w, h, stopped=True) > 0:
            pass
        write(w, h, TAG_BYTES)
        return 0
    return send_bytes(w, h, h["remaining"])


def write(w: World, h: dict, count: int) -> None:
    """Put bytes of a handler's section."""
    h["sent"] += count
    put(w, count)


def send_bytes(w: World, h: dict, count: int) -> int:
    """Write `count` bytes of a generic handler's data; return 1 when it has no more."""
    spend(w, h, count)
    write(w, h, count)
    flush(w)
    h["remaining"] -= count
    return int(h["remaining"] == 0)


def spend(w: World, h: dict, count: int) -> None:
    """Take the time that `count` bytes of data cost."""
    w.t += count * h["byte_ps"] // 1000


def send_bitmaps(w: World, h: dict, limited: bool) -> bool:
    """Send chunks, in a round until the budget is used up; return whether all have gone."""
    for number, bitmap in enumerate(h["bitmaps"]):
        while h["sent_chunks"][number] < len(bitmap["chunks"]):
            send_chunk(w, h, number)
            if limited and rate_exceeded(w):
                return False
    return True


def send_chunk(w: World, h: dict, number: int) -> None:
    """Write one record: sector, count, and the bits unless all are zero."""
    bitmap, index = h["bitmaps"][number], h["sent_chunks"][number]
    count = record_bytes(h, number) + 8 + 4
    if bitmap["chunks"][index]:
        bits = min(CHUNK_BITS, bitmap["bits"] - CHUNK_BITS * index)
        data = (bits + 255) // 256 * 32
        spend(w, h, data)
        count += 8 + data
    h["sent_chunks"][number] += 1
    write(w, h, count)


def vfio_iterate(w: World, h: dict) -> int:
    """Send one block, and say when the initial data have gone (vfio_save_iterate)."""
    advance(w, h)
    size = send_block(w, h, stopped=False)
    note_sent(h, size)
    write(w, h, TAG_BYTES)
    if w.plan.switchover_ack and h["cached_init"] == 0 and not h["init_sent"]:
        h["init_sent"] = True
        w.ack_tags += 1
    return int(h["cached_init"] == 0 and h["cached_dirty"] == 0)


def note_sent(h: dict, size: int) -> None:
    """Take a block off what is pending; an empty one says that nothing is."""
    if size == 0:
        h["cached_init"] = h["cached_dirty"] = 0
        return
    init = min(h["cached_init"], size)
    h["cached_init"] -= init
    h["cached_dirty"] -= min(h["cached_dirty"], size - init)


def send_block(w: World, h: dict, stopped: bool) -> int:
    """Read a block from the device and write it: initial data, dirty, what only a stop gives."""
    init = min(h["init"], h["buffer_bytes"])
    dirty = min(h["dirty"], h["buffer_bytes"] - init)
    rest = min(h["stop_copy_bytes"], h["buffer_bytes"] - init - dirty) if stopped else 0
    size = init + dirty + rest
    if size == 0:
        return 0
    h["init"] -= init
    h["dirty"] -= dirty
    h["stop_copy_bytes"] -= rest
    h["data"] += size
    spend(w, h, size)
    write(w, h, BLOCK_HEADER_BYTES + size)
    return size


def completes(w: World, h: dict) -> bool:
    """Whether a handler ends together with postcopy: since 10.1 none is left out."""
    return h["postcopiable"] or w.plan.completes_all


def config_bytes(h: dict) -> int:
    """Return what a handler adds to the device state: a VFIO device's config space."""
    return CONFIG_TAGS_BYTES + h["config_bytes"] if h["kind"] == Kind.VFIO else 0
