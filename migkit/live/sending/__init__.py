"""migkit as the source of a migration: a saved guest goes to a real QEMU, or to migkit.

`send` is the way in, `Sender` if it is to be yanked. The order of modules: what is sent
(`guest_image`), what it still owes (`dirty_pages`, `guest_writes`, `vcpu`, `page_cache`), what is
counted and told (`counted`, `trail`), how bytes leave (`connecting`, `main_file`, `limiter`,
`multifd`), what comes back (`replies`), RAM (`sync`, `differences`, `ram`), the steps of a
migration (`switchover`, `recovery`, `loop`) and what it gives (`sent`).
"""

from __future__ import annotations

from .sender import Sender
from .sent import Sent
from .source import send

__all__ = ["Sender", "Sent", "send"]
