"""Pending sizes in a log, as QEMU 11.1 traces them."""

from results.runs import at, column, logged


def queried(
    milliseconds: float, precopy: int, postcopy: int = 0, *, exact: int = 0, final: int = 0
):
    """Give the line of QEMU 11.1 for the pending size, 4096 bytes of it for the stopped guest."""
    return at(
        milliseconds,
        f"qemu_savevm_query_pending exact={exact}, final={final}, precopy={precopy}, "
        f"stopcopy=4096, postcopy={postcopy}, total={precopy + postcopy + 4096}, "
        "collected switchover ack pending=0, total switchover ack pending=0",
    )


def test_pending_sizes_as_newer_versions_tell_them(tmp_path):
    run = logged(
        tmp_path,
        at(0, "migrate_set_state new state setup"),
        at(1, "migration_bitmap_sync_start "),
        at(2, "migration_bitmap_sync_end dirty_pages 0"),
        at(3, "migration_thread_setup_complete "),
        queried(4, 400 * 4096),
        at(5, "savevm_section_start ram, section_id 1"),
        at(6, "savevm_section_end ram, section_id 1 -> 0"),
        at(7, "migrate_transferred transferred 9 time_spent 1 bandwidth 9 switchover_bw 9 "
              "max_size 900000"),
        queried(8, 30 * 4096, 9 * 4096),
        at(9, "migration_bitmap_sync_start "),
        at(10, "migration_bitmap_sync_end dirty_pages 70"),
        queried(11, 100 * 4096, exact=1),
        at(12, "migration_thread_low_pending 413696"),
        at(13, "migration_completion_vm_stop ret 0"),
        at(14, "migration_bitmap_sync_start "),
        at(15, "migration_bitmap_sync_end dirty_pages 75"),
        queried(16, 105 * 4096, exact=1, final=1),
        at(17, "ram_save_complete dirty=105, done=0"),
        at(18, "savevm_section_start ram, section_id 1"),
        at(19, "savevm_section_end ram, section_id 1 -> 1"),
    )  # fmt: skip
    passes = run.iterations
    assert column(passes, "pending_estimate_bytes") == [401 * 4096, 40 * 4096]
    assert column(passes, "pending_exact_bytes") == [None, 101 * 4096]
    assert column(passes, "decision") == ["iterate", "complete"]
    assert column(run.rounds, "reason") == ["setup", "exact", "final"]
    assert column(run.rounds, "remaining_pages") == [401, 101, 106]
    assert column(run.sections, "pass") == [0, 1]
    margins = run.margins.iloc[-1]
    assert (margins["decision"], margins["pending_bytes"]) == ("complete", 101 * 4096)
    assert margins["margin_bytes"] == 900000 - 101 * 4096
