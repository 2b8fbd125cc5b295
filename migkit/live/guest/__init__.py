"""A guest of migkit's own: memory that threads really write to, and that waits for its pages.

The order of modules: what it is made of (`memory`, `dirty_log`, `clock`, `contents`, `vcpu`,
`arena_guest`), how it travels (`state`), and how it arrives (`userfaultfd`, `guest_arena`,
`fault_account`, `incoming`).
"""

from __future__ import annotations

from .arena_guest import ArenaGuest
from .contents import ArenaCheck

__all__ = ["ArenaCheck", "ArenaGuest"]
