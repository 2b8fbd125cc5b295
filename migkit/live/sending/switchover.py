"""Where the guest stops here: the end of precopy, the start of postcopy and its end.

Source: migration/migration.c (migration_completion_precopy, postcopy_start,
migration_completion_postcopy, migration_completion_end).
"""

from __future__ import annotations

from migkit._engine import decisions
from migkit.stream import writer
from migkit.stream.wire import PING_PACKAGE_LOADED

from . import ram
from .limiter import now_ms
from .outgoing import Outgoing

__all__ = ["complete_postcopy", "complete_precopy", "start_postcopy"]


def complete_precopy(m: Outgoing) -> None:
    """Stop the guest, send the rest of it, and wait until the destination has it."""
    m.in_completion = True
    _stop(m)
    ram.complete(m)
    _mark(m, "src-iterable-saved")
    m.file.put(*m.image.sections, writer.EOF, writer.description(m.image.description or b"{}"))
    _mark(m, "src-non-iterable-saved")
    m.file.flush()
    _end(m)


def start_postcopy(m: Outgoing) -> None:
    """Stop the guest, send its devices in a package, and let the destination run it."""
    m.trail.add("postcopy_start")
    if "postcopy-preempt" in m.capabilities:
        _open_urgent(m)
    if m.rule == "after":
        _prepare(m)
    m.trail.add("postcopy_start_set_run")
    _stop(m)
    _mark(m, "src-iterable-saved")
    ram.discard(m)
    clean = m.dirty.clean()  # from the package on, other threads take pages that they still read
    m.file.ping(2)
    inside = [writer.command("POSTCOPY_LISTEN"), *m.image.sections, writer.ping(3)]
    if m.rule == "after":
        inside.append(writer.ping(PING_PACKAGE_LOADED))
    inside.append(writer.command("POSTCOPY_RUN"))
    _mark(m, "src-non-iterable-saved")
    package = b"".join(inside)
    m.counted.package_bytes = len(package)
    m.trail.add("qemu_savevm_send_packaged")
    m.file.put(writer.packaged(package))
    m.file.flush()
    m.counted.downtime_ms = now_ms() - m.downtime_start_ms
    _mark(m, "src-downtime-end")
    m.file.ping(4)
    m.limiter.set_rate(m.parameters.max_postcopy_bandwidth_bytes_per_s)
    m.turn("postcopy-device" if m.rule == "after" else "postcopy-active")
    ram.release(m, clean)


def complete_postcopy(m: Outgoing) -> None:
    """Send what is left, by the rule before the rewrite possibly much, and end the stream."""
    m.in_completion = True
    m.trail.add("migration_completion_postcopy_end")
    ram.complete(m)
    m.file.put(writer.EOF)
    m.file.flush()
    m.trail.add("migration_completion_postcopy_end_after_complete")
    _end(m)


def _stop(m: Outgoing) -> None:
    _mark(m, "src-downtime-start")
    m.downtime_start_ms = now_ms()
    m.guest.stop()
    _mark(m, "src-vm-stopped")
    m.trail.add("migration_completion_vm_stop", ret=0)
    m.turn("device")
    m.limiter.set_rate(0)
    m.trail.add("migration_precopy_complete")
    if m.image.switchover_start:
        m.file.command("SWITCHOVER_START")


def _prepare(m: Outgoing) -> None:
    """Write the section that empties multifd before postcopy (since 10.1)."""
    m.file.put(writer.head_part(m.image.ram_section))
    ram.multifd_sync(m)
    m.file.put(writer.EOS)
    m.file.flush()
    m.file.put(writer.footer(m.image.ram_section))


def _open_urgent(m: Outgoing) -> None:
    """Open the channel for requests; the first PONG says that the main channel is known there."""
    if m.replies is not None:
        m.replies.await_that(m.replies.pongs, "PONG", m.timeout_s)
        m.trail.add("postcopy_preempt_new_channel")
        m.urgent = m.connect()


def _end(m: Outgoing) -> None:
    """Wait for SHUT where there is a return path; then it is completed."""
    m.trail.add("migration_return_path_end_before")
    if m.replies is not None:
        m.replies.await_end(m.timeout_s)
    m.trail.add("migration_return_path_end_after", ret=0)
    end = now_ms()
    m.counted.downtime_ms = decisions.completed_downtime_ms(
        m.counted.downtime_ms, m.downtime_start_ms, end
    )
    if not m.in_postcopy:
        _mark(m, "src-downtime-end")
    m.counted.total_ms = m.trail.now_ns() // 1_000_000
    spent = m.counted.total_ms - m.counted.setup_ms
    m.counted.mbps = decisions.mbps_whole(m.counted.transferred, spent, m.counted.mbps)
    m.turn("completed")


def _mark(m: Outgoing, name: str) -> None:
    m.trail.add("vmstate_downtime_checkpoint", checkpoint=name)
