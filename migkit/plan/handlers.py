"""Iterable handlers with everything resolved, in the order of the stream."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from migkit.parameters.capabilities import version_numbers
from migkit.scenario.iterables import DirtyBitmap, Handler, IterableHandler, VfioDevice

if TYPE_CHECKING:
    from migkit.scenario import Scenario

__all__ = ["acks_needed", "handler_fields", "type_version"]

_FIRST_SECTION_AFTER_RAM = 2
_CHUNK_BITS = 8192
_BLOCK_BYTES = 1 << 20
GENERIC, BITMAPS, VFIO = range(3)

_NOTHING: dict[str, Any] = {
    "kind": GENERIC,
    "name": "",
    "initial_bytes": 0,
    "chunk_bytes": 1,
    "postcopiable": False,
    "byte_ps": 0,
    "bitmaps": (),
    "precopy": False,
    "init_bytes": 0,
    "dirty_bytes": 0,
    "stop_copy_bytes": 0,
    "dirty_rate_bytes_per_s": 0,
    "most_dirty_bytes": 0,
    "buffer_bytes": 0,
    "config_bytes": 0,
    "query_fails": False,
}


def handler_fields(handlers: tuple[Handler, ...]) -> tuple[dict[str, Any], ...]:
    """Resolve a scenario's handlers.

    Parameters
    ----------
    handlers : tuple
        In order of registration. All dirty bitmaps together are one handler, which QEMU
        registers right after RAM.

    Returns
    -------
    tuple of dict
        The fields that `migkit.plan.Plan` names.
    """
    bitmaps = [item for item in handlers if isinstance(item, DirtyBitmap)]
    resolved = [_bitmaps(bitmaps)] if bitmaps else []
    resolved += [_device(item) for item in handlers if not isinstance(item, DirtyBitmap)]
    return tuple(
        {**_NOTHING, **fields, "section_id": _FIRST_SECTION_AFTER_RAM + index}
        for index, fields in enumerate(resolved)
    )


def acks_needed(scenario: Scenario) -> int:
    """Count the devices without whose word the destination does not ack the switchover."""
    if "switchover-ack" not in scenario.capabilities:
        return 0
    return sum(isinstance(item, VfioDevice) and item.precopy for item in scenario.iterables)


def type_version(scenario: Scenario) -> tuple[int, ...]:
    """Return the version of the machine type; of QEMU where the type has none."""
    found = re.search(r"-(\d+)\.(\d+)$", scenario.host.machine.machine_name)
    if found is None:
        return version_numbers(scenario.qemu_version)
    return int(found[1]), int(found[2])


def _device(item: IterableHandler | VfioDevice) -> dict[str, Any]:
    if isinstance(item, VfioDevice):
        whole = item.stop_copy_bytes + item.precopy_init_bytes + item.precopy_dirty_bytes
        block = _BLOCK_BYTES if item.query_fails or not whole else min(_BLOCK_BYTES, whole)
        return {
            "kind": VFIO,
            "name": item.name,
            "byte_ps": item.byte_ps,
            "precopy": item.precopy,
            "init_bytes": item.precopy_init_bytes,
            "dirty_bytes": item.precopy_dirty_bytes,
            "stop_copy_bytes": item.stop_copy_bytes,
            "dirty_rate_bytes_per_s": item.dirty_rate_bytes_per_s,
            "most_dirty_bytes": item.most_dirty_bytes,
            "buffer_bytes": block,
            "config_bytes": item.config_bytes,
            "query_fails": item.query_fails,
        }
    return {
        "kind": GENERIC,
        "name": item.name,
        "initial_bytes": item.initial_bytes,
        "chunk_bytes": item.chunk_bytes,
        "postcopiable": item.postcopiable,
        "byte_ps": item.byte_ps,
    }


def _bitmaps(bitmaps: list[DirtyBitmap]) -> dict[str, Any]:
    """Join the bitmaps of a node, the newest first: QEMU's own list is in that order."""
    nodes = list(dict.fromkeys(item.node for item in bitmaps))
    ordered = [item for node in nodes for item in reversed(bitmaps) if item.node == node]
    return {
        "kind": BITMAPS,
        "name": "dirty-bitmap",
        "postcopiable": True,
        "byte_ps": max(item.byte_ps for item in bitmaps),
        "bitmaps": tuple(
            {
                "bits": item.bits,
                "name_bytes": len(item.name.encode()),
                "node_bytes": len(item.node.encode()),
                "node": nodes.index(item.node),
                "chunks": _chunks(item),
            }
            for item in ordered
        ),
    }


def _chunks(item: DirtyBitmap) -> bytes:
    """Return one byte a chunk of the bitmap: 1 where a bit of it is set."""
    span = _CHUNK_BITS * item.granularity_bytes
    holds = bytearray(-(-item.disk_bytes // span))
    for first, count in item.dirty:
        begin, end = first // span, (first + count - 1) // span + 1
        holds[begin:end] = b"\1" * (end - begin)
    return bytes(holds)
