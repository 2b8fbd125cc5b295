"""Which trace events a lab run logs, and following a log while QEMU writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migkit.lab.qemus import Qemu

__all__ = ["LOGGED", "SAVE_COMPLETE_ENTERED", "LogFollower", "write_events"]

LOGGED: tuple[str, ...] = tuple(
    """
    cpu_throttle_set get_queued_page get_queued_page_not_dirty
    loadvm_handle_cmd_packaged loadvm_handle_cmd_packaged_main loadvm_postcopy_handle_advise
    loadvm_postcopy_handle_listen loadvm_postcopy_handle_resume loadvm_postcopy_handle_run
    loadvm_process_command migrate_error migrate_handle_rp_req_pages migrate_pending_estimate
    migrate_pending_exact migrate_set_state migrate_transferred migration_bitmap_sync_end
    migration_bitmap_sync_start migration_cancel migration_completion_postcopy_end
    migration_completion_postcopy_end_after_complete migration_completion_vm_stop
    migration_precopy_complete migration_socket_outgoing_connected migration_thread_after_loop
    migration_thread_low_pending migration_thread_setup_complete migration_throttle
    multifd_recv_thread_end multifd_send_sync_main multifd_send_thread_end
    postcopy_blocktime_begin postcopy_blocktime_end postcopy_blocktime_end_one
    postcopy_blocktime_tid_cpu_map postcopy_pause_continued postcopy_pause_incoming
    postcopy_pause_incoming_continued postcopy_preempt_enabled postcopy_preempt_new_channel
    postcopy_preempt_send_host_page postcopy_preempt_thread_entry postcopy_preempt_thread_exit
    postcopy_ram_fault_thread_request postcopy_ram_incoming_cleanup_blocktime postcopy_start
    postcopy_start_set_run process_incoming_migration_co_end qemu_savevm_query_pending
    qemu_savevm_send_packaged ram_dirty_bitmap_reload_begin ram_dirty_bitmap_reload_complete
    ram_dirty_bitmap_request ram_dirty_bitmap_sync_complete ram_dirty_bitmap_sync_start
    ram_dirty_bitmap_sync_wait ram_save_complete ram_save_iterate_big_wait ram_save_queue_pages
    save_xbzrle_page_skipping savevm_command_send savevm_section_end savevm_section_start
    savevm_send_ping savevm_state_header savevm_state_setup source_return_path_thread_pong
    source_return_path_thread_postcopy_package_loaded source_return_path_thread_shut
    vmstate_downtime_checkpoint vmstate_downtime_load vmstate_downtime_save
    """.split()
)
"""Those of the captures, and of newer versions what took their place."""

SAVE_COMPLETE_ENTERED = ("ram_save_complete", "migration_completion_postcopy_end")
"""Either says that the RAM's save_complete is entered: QEMU up to 10.0 has the second alone."""


def write_events(qemu: Qemu, file: Path) -> None:
    """Write the list of events for ``-trace events=``, without those that this QEMU lacks.

    Parameters
    ----------
    qemu : Qemu
        The program; one that does not come with the list of its events is given all.
    file : Path
        Where to.
    """
    known: set[str] = set()
    for folder in qemu.firmware:
        listed = folder / "trace-events-all"
        if listed.is_file():
            lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
            known |= {line.partition("(")[0].split()[-1] for line in lines if "(" in line}
    names = [name for name in LOGGED if not known or name in known]
    file.write_text("\n".join([*names, ""]), encoding="ascii")


_LINE = re.compile(r"(?:\S+Z |\d+@[\d.]+:)(?P<name>\w+) ?(?P<arguments>.*)$")
"""Stamped with the time, or by QEMU up to 10.0 with process and seconds."""


class LogFollower:
    """Look for events in a log that is being written.

    Parameters
    ----------
    file : Path
        The log.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._position = 0
        self._rest = b""

    def events(self) -> Iterable[tuple[str, str]]:
        """Read what has been written since the last call.

        Yields
        ------
        str, str
            Name of an event, and what follows on its line.
        """
        try:
            with self._file.open("rb") as log:
                log.seek(self._position)
                new = log.read()
        except FileNotFoundError:
            return
        self._position += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            found = _LINE.match(line.decode("ascii", errors="replace"))
            if found is not None:
                yield found["name"], found["arguments"]
