"""A guest of ours on its way in: its memory, the state of its vCPUs, and when it runs.

Source: migration/savevm.c (loadvm_postcopy_handle_listen, loadvm_postcopy_handle_run),
migration/migration.c (process_incoming_migration_bh).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from migkit.errors import StreamError
from migkit.live.arena import Int64Array
from migkit.live.faults import FaultPattern
from migkit.live.sections import DeviceSection
from migkit.stream.blocks import Blocks

from .arena_guest import ArenaGuest
from .fault_account import FaultAccount
from .guest_arena import GuestArena
from .state import BLOCK, DEVICE, guest_of_state

__all__ = ["IncomingGuest"]

_FIX = "send a guest of migkit (an arena), or leave out run"


class IncomingGuest:
    """What a destination has beside pages when the guest is to run there.

    Attributes
    ----------
    guest : ArenaGuest or None
        From when its state came.
    account : FaultAccount
        Who waited for what in postcopy.
    """

    def __init__(self) -> None:
        self.guest: ArenaGuest | None = None
        self.account = FaultAccount()
        self._arena: GuestArena | None = None
        self.writes_before = 0

    def arena(self, blocks: Blocks) -> GuestArena:
        """Return its memory.

        Raises
        ------
        StreamError
            If the blocks are not those of a guest of ours.
        """
        names = [block.name for block in blocks.listed]
        if names != [BLOCK]:
            raise StreamError.of(
                f"RAM of {', '.join(names[:3])}", f"a guest that can run here has {BLOCK}", _FIX
            )
        self._arena = GuestArena(blocks)
        return self._arena

    def take(self, section: DeviceSection) -> None:
        """Load a device.

        Raises
        ------
        StreamError
            If it is none of ours, or not a whole one.
        """
        if section.name != DEVICE or self._arena is None or self.guest is not None:
            raise StreamError.of(
                f"section {section.name[:40]}", f"a guest that can run here has one {DEVICE}", _FIX
            )
        self.guest = guest_of_state(section.body, self._arena.mapping)
        self.writes_before = self.guest.writes

    def listen(self) -> FaultPattern:
        """Follow the faults of its vCPUs; see `GuestArena.listen`."""
        assert self._arena is not None
        self._arena.listen()
        return self._arena.faults(self._found)

    def follow(self, placed: Callable[[Int64Array], None]) -> None:
        """Tell someone of each page that is placed from now on."""
        assert self._arena is not None
        self._arena.tell(placed)

    def run(self) -> None:
        """Let it run.

        Raises
        ------
        StreamError
            If its state did not come.
        """
        if self.guest is None:
            raise StreamError.of("guest to run here", f"no {DEVICE} came", _FIX)
        self.guest.start()

    def finish(self, missing: int, *, running: bool) -> None:
        """Let it run where precopy has ended, and look whether it has all of its pages.

        Raises
        ------
        StreamError
            If it has not, or its state did not come.
        """
        if missing:
            raise StreamError.of(
                "guest that runs here", f"{missing} of its pages did not come", "see the source"
            )
        if not running:
            self.run()

    def end_faults(self) -> None:
        """End the thread that follows faults."""
        if self._arena is not None:
            self._arena.end_faults()

    def close(self, *, completed: bool) -> None:
        """Let nobody wait any more; of a migration that failed nothing stays."""
        if self.guest is not None and not completed:
            self.guest.hold()
        if self._arena is not None:
            self._arena.close()
        if self.guest is not None and not completed:
            self.guest.stop()

    def summary(self, state: str) -> dict[str, Any]:
        """Return what is told of it; see `FaultAccount.summary`."""
        guest = self.guest
        if guest is None:
            return {}
        told = {"vcpus": len(guest.vcpus), "writes_before": self.writes_before}
        waited = self.account.summary(state, len(guest.vcpus))
        return {"guest": told | {name: waited[name] for name in waited if name != "status"}}

    def _found(self, thread_id: int) -> None:
        self.account.found(self.guest.vcpu_of(thread_id) if self.guest is not None else None)
