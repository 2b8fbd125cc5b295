"""One migration on its way: everything that its steps share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from migkit.channels import Channel
from migkit.errors import MigkitError
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import Capabilities
from migkit.parameters.sync_rules import SyncRules
from migkit.stream.writing_pages import PageWriter

from .counted import Counted
from .dirty_pages import DirtyPages
from .file_pages import FilePages
from .guest_image import GuestImage
from .guest_writes import GuestWrites
from .limiter import Limiter
from .main_file import MainFile
from .multifd import Multifd
from .page_cache import PageCache
from .replies import Replies
from .sync_period import SyncPeriod
from .trail import Trail

__all__ = ["POSTCOPY_STATES", "Outgoing"]

POSTCOPY_STATES = frozenset({"postcopy-device", "postcopy-active"})
RUNNING_STATES = POSTCOPY_STATES | {"active"}


@dataclass
class Outgoing:
    """What the steps of a migration work on.

    Attributes
    ----------
    image : GuestImage
        What is sent.
    parameters, capabilities : MigrationParameters, Capabilities
        QEMU's.
    rule : str
        ``before`` or ``after`` QEMU's rewrite of the completion rule.
    syncs : SyncRules
        Which syncs there are and which count, by the version of QEMU.
    connect : callable
        Opens one more channel to the destination.
    file, counted, trail, limiter, guest, dirty
        Where bytes go, what is counted and told, the windows, what dirties, what is owed.
    replies : Replies or None
        The return path, where there is one.
    multifd, xbzrle, places : Multifd or None, PageCache or None, FilePages or None
        With multifd, xbzrle and mapped-ram.
    timeout_s : float
        For how long an answer is waited for.
    throttled : list of (int, int)
        When auto-converge took a step, nanoseconds, and the percentage from then on.
    state : str
        QEMU's ``MigrationStatus``.
    """

    image: GuestImage
    parameters: MigrationParameters
    capabilities: Capabilities
    rule: str
    syncs: SyncRules
    connect: Callable[[], Channel]
    file: MainFile
    counted: Counted
    trail: Trail
    limiter: Limiter
    guest: GuestWrites
    dirty: DirtyPages
    replies: Replies | None
    multifd: Multifd | None
    xbzrle: PageCache | None
    places: FilePages | None
    timeout_s: float
    start_postcopy: Callable[[], bool]
    progress: Callable[[Counted], object] | None = None
    state: str = "none"
    error: MigkitError | None = None
    in_completion: bool = False
    downtime_start_ms: int = 0
    ack_due_ms: int = 0
    period: SyncPeriod = field(default_factory=SyncPeriod)
    throttled: list[tuple[int, int]] = field(default_factory=list)
    urgent: Channel | None = None
    urgent_pages: PageWriter = field(init=False)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Prepare the records of the urgent channel."""
        self.urgent_pages = PageWriter(self.image.page_size)

    def turn(self, state: str) -> None:
        """Go into another state, and tell it."""
        self.state = state
        self.trail.add("migrate_set_state", new_state=state)

    @property
    def in_postcopy(self) -> bool:
        """Whether the guest runs at the destination while pages are still sent."""
        return self.state in POSTCOPY_STATES

    @property
    def pending_bytes(self) -> int:
        """Bytes of the pages that the destination lacks."""
        return self.dirty.count * self.image.page_size

    def check(self) -> None:
        """Raise what a thread of this migration met.

        Raises
        ------
        MigkitError
            If the return path or a multifd channel broke.
        """
        if self.replies is not None:
            self.replies.check()
        if self.multifd is not None:
            self.multifd.check()

    def count_pages(self, zero: np.ndarray, sent_bytes: int) -> None:
        """Count page records, by the phase in which they go out."""
        zeros = int(zero.sum())
        self.count(len(zero) - zeros, zeros, sent_bytes)

    def count_bytes(self, sent_bytes: int) -> None:
        """Count bytes of RAM that are no pages."""
        self.count(0, 0, sent_bytes)

    def released(self, pages: int) -> None:
        """Count pages whose memory was given back."""
        with self._counting:
            self.counted.released_pages += pages

    def count(self, normal_pages: int, zero_pages: int, sent_bytes: int) -> None:
        """Count pages and bytes, by the phase in which they go out."""
        with self._counting:
            self.counted.normal_pages += normal_pages
            self.counted.zero_pages += zero_pages
            self._count_bytes(sent_bytes)

    def _count_bytes(self, sent_bytes: int) -> None:
        if self.guest.running:
            self.counted.precopy_bytes += sent_bytes
        elif self.in_postcopy:
            self.counted.postcopy_bytes += sent_bytes
        else:
            self.counted.downtime_bytes += sent_bytes
