"""The guest: its memory block by block, what its pages hold, how it is run."""

from migkit.guest.memory import MAX_VCPUS, PAGE_BYTES, Guest, RamBlock

__all__ = ["MAX_VCPUS", "PAGE_BYTES", "Guest", "RamBlock"]
