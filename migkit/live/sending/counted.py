"""What is counted, under QEMU's names: migration/migration-stats.h."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counted"]


@dataclass
class Counted:
    """Counters of one migration; each is written by one thread alone.

    Attributes
    ----------
    file_bytes, urgent_bytes : int
        Bytes written to the main channel and to that of postcopy-preempt.
    multifd_bytes : int
        Bytes written to the multifd channels.
    package_bytes : int
        The package that opens postcopy, as it was put together: QEMU counts it here and when
        it is written.
    normal_pages, zero_pages, xbzrle_pages : int
        Pages sent with their contents, and as zero; found in the cache of xbzrle.
    precopy_bytes, downtime_bytes, postcopy_bytes : int
        Page records while the guest ran here, stood still, and ran there.
    syncs, requests : int
        Dirty-bitmap syncs, and requests of the destination.
    dirty_bytes_last_sync, dirty_pages_rate : int
        Pending bytes after the last sync; pages a second of the last whole period.
    pages_in_complete : int
        Pages that ``save_complete`` of RAM sent.
    released_pages : int
        Pages whose memory was given back: release-ram.
    setup_ms, downtime_ms, total_ms, expected_downtime_ms : int
        Times.
    mbps, pages_per_second : float
        Of the last window; `mbps` of all at the end.
    """

    file_bytes: int = 0
    urgent_bytes: int = 0
    multifd_bytes: int = 0
    package_bytes: int = 0
    normal_pages: int = 0
    zero_pages: int = 0
    xbzrle_pages: int = 0
    precopy_bytes: int = 0
    downtime_bytes: int = 0
    postcopy_bytes: int = 0
    syncs: int = 0
    requests: int = 0
    dirty_bytes_last_sync: int = 0
    dirty_pages_rate: int = 0
    pages_in_complete: int = 0
    released_pages: int = 0
    setup_ms: int = 0
    downtime_ms: int = 0
    total_ms: int = 0
    expected_downtime_ms: int = 0
    mbps: float = 0.0
    pages_per_second: float = 0.0

    @property
    def transferred(self) -> int:
        """Bytes that were taken by the system, on all channels; the package twice."""
        channels = self.file_bytes + self.urgent_bytes + self.multifd_bytes
        return channels + self.package_bytes

    @property
    def sent_pages(self) -> int:
        """Pages sent, and those that xbzrle found: QEMU's ram_get_total_transferred_pages."""
        return self.normal_pages + self.zero_pages + self.xbzrle_pages
