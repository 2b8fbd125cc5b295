"""The downtime's checkpoints on both sides, recorded and simulated."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from migkit import Scenario, datasets, simulate
from migkit.results import Migration
from migkit.schema import DOWNTIME
from migkit.trace import read_log

PRECOPY_STEPS = [
    "src-downtime-start",
    "src-vm-stopped",
    "src-iterable-saved",
    "src-non-iterable-saved",
    "src-downtime-end",
    "dst-precopy-loadvm-completed",
    "dst-precopy-bh-enter",
    "dst-precopy-bh-announced",
    "dst-precopy-bh-vm-started",
]


def steps(run: Migration) -> dict[str, int]:
    """Return the length of each step of a run."""
    frame = run.downtime
    return dict(zip(frame["checkpoint"], frame["step_ns"].fillna(0), strict=True))


def test_recorded_checkpoints_are_the_logs_lines(tmp_path: Path) -> None:
    """Two lines of each side, 1 ms and 0.25 ms apart, by hand."""
    source = (
        "2026-01-01T00:00:00.000000Z migrate_set_state new state setup\n"
        "2026-01-01T00:00:01.000000Z vmstate_downtime_checkpoint src-downtime-start\n"
        "2026-01-01T00:00:01.001000Z vmstate_downtime_checkpoint src-vm-stopped\n"
    )
    dest = (
        "2026-01-01T00:00:01.003000Z vmstate_downtime_checkpoint dst-precopy-bh-enter\n"
        "2026-01-01T00:00:01.003250Z vmstate_downtime_checkpoint dst-precopy-bh-vm-started\n"
    )
    logs = {}
    for side, text in (("source", source), ("dest", dest)):
        (tmp_path / side).write_text(text)
        logs[side] = read_log(tmp_path / side, side, epoch_ns=1_767_225_600 * 10**9)
    run = Migration.from_logs(logs, "by hand")
    frame = run.downtime
    assert list(frame.columns) == [column.name for column in DOWNTIME]
    assert frame["step_ns"].tolist()[1:] == [1_000_000, 2_000_000, 250_000]
    assert frame["step_ns"].isna().tolist() == [True, False, False, False]
    assert run.blackout_ms == 3.25


def test_a_recorded_precopy_has_nine() -> None:
    """The shipped capture of an idle guest: 10.7 ms without a guest, of which QEMU tells 1 ms."""
    run = datasets.load_capture("idle")
    assert run.downtime["checkpoint"].tolist() == PRECOPY_STEPS
    assert run.downtime["t_ns"].is_monotonic_increasing
    assert run.blackout_ms == pytest.approx(run.downtime["step_ns"].sum() / 1e6)
    assert run.blackout_ms == pytest.approx(10.739, abs=1e-3)


def test_a_simulated_precopy_lands_by_the_hosts_costs() -> None:
    """The destination's steps are those of the profile; the source's end is QEMU's downtime."""
    scenario = Scenario.build(memory="64MiB", bandwidth="100MiB/s")
    run = simulate(scenario)
    took = steps(run)
    landing = scenario.host.landing
    assert list(took) == PRECOPY_STEPS
    assert took["src-vm-stopped"] == scenario.host.vm_stop_ns
    assert took["src-non-iterable-saved"] >= scenario.host.device_state_ns
    assert took["dst-precopy-bh-enter"] == landing.bh_ns
    assert took["dst-precopy-bh-announced"] == landing.announce_ns
    assert took["dst-precopy-bh-vm-started"] == landing.start_ns
    assert run.blackout_ms is not None
    assert run.blackout_ms > run.counters["downtime_ms"] - 1


def test_a_busy_destination_lands_later() -> None:
    """Twice as busy, each step takes twice as long, the source's none."""
    calm = simulate(Scenario.build(memory="64MiB", bandwidth="100MiB/s"))
    busy = simulate(
        Scenario.build(
            memory="64MiB", bandwidth="100MiB/s", contention={"destination_percent": 200}
        )
    )
    for name in PRECOPY_STEPS[6:]:
        assert steps(busy)[name] == 2 * steps(calm)[name]
    assert steps(busy)["src-vm-stopped"] == steps(calm)["src-vm-stopped"]


def test_a_simulated_postcopy_starts_there_long_before_it_ends() -> None:
    """Five steps of the bottom half; the guest runs before the source has sent its memory."""
    scenario = dataclasses.replace(
        Scenario.build(
            memory="64MiB",
            workload="uniform:2000,pages=4000",
            bandwidth="20MiB/s",
            capabilities=["postcopy-ram"],
            timeline=[{"command": "migrate-start-postcopy", "at_s": 0.5}],
        ),
        completion_rule="after",
    )
    run = simulate(scenario)
    took = steps(run)
    there = [name for name in took if name.startswith("dst-")]
    assert there == [f"dst-postcopy-bh-{name}" for name in (
        "enter", "cpu-synced", "announced", "cache-invalidated", "vm-started"
    )]  # fmt: skip
    landing = scenario.host.landing
    assert took["dst-postcopy-bh-cpu-synced"] == landing.cpu_sync_ns
    assert took["dst-postcopy-bh-vm-started"] == landing.start_ns
    started = run.downtime.set_index("checkpoint").loc["dst-postcopy-bh-vm-started", "t_ns"]
    assert started < run.iterations["t_ns"].iloc[-1]


def test_downtime_ends_once_unless_its_whole_milliseconds_were_none() -> None:
    """QEMU keeps a downtime that is not 0 and then writes no second mark at the end."""
    for name in ("postcopy-uniform-after", "postcopy-hot-after"):
        marks = datasets.load_capture(name).downtime["checkpoint"]
        twin = simulate(Scenario.from_capture(datasets.capture_folder(name)))
        ends = (twin.downtime["checkpoint"] == "src-downtime-end").sum()
        assert (marks == "src-downtime-end").sum() in (1, 2)
        assert ends == (1 if twin.counters["downtime_ms"] < 50 else 2)


def test_a_cancelled_migration_has_no_blackout() -> None:
    """Nothing stopped, nothing started."""
    run = simulate(
        Scenario.build(
            memory="64MiB",
            bandwidth="5MiB/s",
            timeline=[{"command": "migrate_cancel", "at_s": 0.5}],
        )
    )
    assert run.downtime.empty
    assert run.blackout_ms is None


def test_the_frame_is_stored_and_read_back(tmp_path: Path) -> None:
    """As all frames are."""
    run = simulate(Scenario.build(memory="64MiB", bandwidth="100MiB/s"))
    run.to_csv(tmp_path / "run")
    again = Migration.load(tmp_path / "run")
    pd.testing.assert_frame_equal(again.downtime, run.downtime)
    assert again.blackout_ms == run.blackout_ms
