"""A guest that runs here, as what is sent: an image of its memory, and its writes as made.

At the switchover its vCPUs stop, and what they have to know at the other side is its one device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from migkit.errors import InputError
from migkit.live.guest.arena_guest import PAGE_BYTES, ArenaGuest
from migkit.live.guest.state import BLOCK, DEVICE, VERSION, description_of, state_of
from migkit.parameters.capabilities import Capabilities
from migkit.stream import writer
from migkit.stream.blocks import Block
from migkit.stream.configuration import Configuration

from .guest_image import GuestImage, zero_pages
from .guest_writes import GuestWrites

__all__ = ["ArenaWrites", "check_arena", "guest_that_runs"]

_RAM_SECTION, _STATE_SECTION = 2, 3


class _State(Sequence[bytes]):
    """The sections of the devices, as they are when they are looked at."""

    def __init__(self, guest: ArenaGuest) -> None:
        self._guest = guest

    def __len__(self) -> int:
        return 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        head = writer.head_full(_STATE_SECTION, DEVICE, 0, VERSION)
        return [head + state_of(self._guest) + writer.footer(_STATE_SECTION)][index]


def check_arena(capabilities: Capabilities, workload: object, *, written: bool) -> None:
    """Refuse what a guest that runs does not go with.

    Raises
    ------
    InputError
        If it is given another workload, or a limit of its dirty ring, or is to lose its memory.
    """
    if "release-ram" in capabilities:
        raise InputError.of(
            "send a guest that runs with release-ram",
            "its memory is its own, and stays",
            "leave release-ram out",
        )
    if workload is not None or written:
        raise InputError.of(
            "send a guest that runs", "it has a workload, and writes", "leave the workload out"
        )
    if "dirty-limit" in capabilities:
        raise InputError.of(
            "send a guest that runs with dirty-limit",
            "it has no dirty ring",
            "leave it out, or use auto-converge",
        )


def guest_that_runs(guest: ArenaGuest) -> tuple[GuestImage, ArenaWrites]:
    """Return a guest as what is sent, and its writes; it goes on.

    Parameters
    ----------
    guest : ArenaGuest
        Whose memory is read while it is sent.

    Returns
    -------
    GuestImage
        `zero` is what was zero at this moment; the writes tell what no more is.
    ArenaWrites
        From now on.
    """
    image = _image(guest)
    return image, ArenaWrites(guest, image)


def _image(guest: ArenaGuest) -> GuestImage:
    memory = guest.memory.bytes
    return GuestImage(
        name="arena",
        configuration=Configuration("none"),
        page_size=PAGE_BYTES,
        blocks=(Block(BLOCK, len(memory), 0),),
        memory=memory,
        zero=zero_pages(memory, PAGE_BYTES),
        ram_section=_RAM_SECTION,
        sections=_State(guest),
        description=description_of(guest),
        switchover_start=True,
    )


class ArenaWrites(GuestWrites):
    """The writes of a guest that runs here, by its own dirty log.

    Parameters
    ----------
    guest : ArenaGuest
        It runs already, or from `start` on.
    image : GuestImage
        Of it: no page that it wrote to is zero.
    """

    def __init__(self, guest: ArenaGuest, image: GuestImage) -> None:
        super().__init__(None, image.pages)  # what is written is not chosen here
        self._guest, self._zero = guest, image.zero

    def start(self) -> None:
        """Let it run, if it does not."""
        super().start()
        self._guest.start()

    def stop(self) -> None:
        """Let it stand still, behind its last write."""
        super().stop()
        self._guest.stop()

    def take_log(self) -> npt.NDArray[np.int64]:
        """Return the pages written since the last time, and forget them."""
        pages = self._guest.log.take()
        self._zero[pages] = False
        return pages

    def throttle(self, percentage: int) -> None:
        """Let its vCPUs sleep for this share of their time: auto-converge."""
        super().throttle(percentage)
        self._guest.clock.throttle(percentage)

    def end(self) -> None:
        """Let its vCPUs run as they can (cpu_throttle_stop)."""
        self._guest.clock.throttle(0)

    def resume(self) -> None:
        """Let it run on here: no other side does."""
        self._guest.start()
