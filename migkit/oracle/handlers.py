"""Handlers that are not RAM, as they are before migration starts."""

from __future__ import annotations

from typing import Any


def make_handlers(iterables: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Return the handlers as they are before migration starts."""
    return [
        {
            **item,
            "remaining": item["initial_bytes"],
            "sent": 0,  # all it wrote after setup
            "data": 0,  # of that, what a VFIO device gave away
            "sent_chunks": [0] * len(item["bitmaps"]),
            "previous": -1,
            "init": item["init_bytes"],
            "dirty": item["dirty_bytes"],
            "made": 0,
            "cached_init": 0,
            "cached_dirty": 0,
            "init_sent": False,
        }
        for item in iterables
    ]
