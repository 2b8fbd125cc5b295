"""A guest that dirties too fast is slowed down, by the engine's own decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from live.arena_pair import Pair, arrived_whole, permitted
from live.send_peer import PRECOPY_END, Clock, Peer, contents, save_guest
from migkit.cli import main
from migkit.errors import InputError
from migkit.live import ArenaGuest, Sent, send
from migkit.live.sending.vcpu import DirtyRing, Vcpu
from migkit.workloads import Sequential

MS = 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def writes(pages_per_s: int, pages: int = 100_000) -> Vcpu:
    return Vcpu(Sequential(rate_pages_per_s=pages_per_s).within(pages), pages)


def test_a_throttled_vcpu_writes_for_the_rest_of_its_time() -> None:
    vcpu = writes(1000)
    assert len(vcpu.written(1000 * MS)) in {1000, 1001}
    vcpu.throttle(20, 1000 * MS)
    assert abs(len(vcpu.written(3500 * MS)) - 2000) <= 1  # 200 periods of 12.5 ms, 10 of them


def test_a_step_begins_with_the_next_tick() -> None:
    """50 %: 10 ms of sleep, 10 of running. 80 %: 40 of sleep, 10 of running. It writes each ms."""
    vcpu = writes(1_000_000)
    vcpu.throttle(50, 0)
    vcpu.throttle(80, 5 * MS)
    counts = [len(vcpu.written(at * MS)) for at in (10, 20, 60, 70, 110, 120)]
    for found, expected in zip(counts, (0, 10_000, 0, 10_000, 0, 10_000), strict=True):
        assert abs(found - expected) <= 1000


def test_a_full_ring_lets_its_vcpu_sleep() -> None:
    """A rate of 78 MiB/s, 30 are allowed: the step is far, so it is linear.

    16 MiB fill in 205128 us; 61 % of the way are 205128 * 61 / 39 us. A ring of 4096 entries is
    full with 3520, which take 176 ms to write.
    """
    vcpu, told = writes(20_000), []
    vcpu.written(0)
    vcpu.limit(DirtyRing(30, 1000, 0, lambda name, **values: told.append((name, values))), 0)
    assert abs(len(vcpu.written(1000 * MS)) - 20_000) <= 1
    pages = len(vcpu.written(11_000 * MS))
    assert vcpu.ring is not None
    assert vcpu.ring.sleep_us == 320_841
    assert told[0] == ("dirtylimit_throttle_pct", {"vcpu": 0, "percentage": 61, "step": 320_841})
    assert told[1] == ("dirtylimit_vcpu_execute", {"vcpu": 0, "sleep": 320_841})
    assert abs(pages - 10_000_000 / (176_000 + 320_841) * 3520) < 3520


def gone(folder: Path, pages: int, on: tuple[str, ...] = (), **settings: Any) -> Sent:
    """Send a guest of so many pages to a peer that takes it."""
    guest = save_guest(folder / "g", {"m0": contents(pages, 0)})
    peer = Peer(folder / "s", PRECOPY_END)
    sent = send(guest, peer.uri, capabilities=on, **settings)
    peer.join()
    return sent


FAST: dict[str, Any] = {
    "workload": "phases:uniform:4000@12s+idle@900s",
    "parameters": {"max-bandwidth": 2 << 20, "downtime-limit": 100, "max-cpu-throttle": 45},
}
"""It dirties 8 times what is sent, so every period is bad until the throttle shows."""


def test_auto_converge_takes_a_step_every_second_bad_period(tmp_path: Path, clock: Clock) -> None:
    sent = gone(tmp_path, 300, ("auto-converge",), **FAST)
    assert sent.outcome == "completed"
    steps = sent.throttling
    assert steps["cpu_throttle_percentage"].tolist() == [20, 30, 40, 45, 45, 45, 45]
    assert (steps["t_ns"].diff().dropna() >= 2_000_000_000).all()
    told = sent.report()["cpu_throttle_percentage"]
    assert told[0] == [steps["t_ns"][0] // MS, 20]
    assert sent.rounds["cpu_throttle_percentage"].max() == 45
    assert "cpu-throttle-percentage" not in sent.summary  # it ends with the migration


def test_without_the_capability_nobody_is_slowed(tmp_path: Path, clock: Clock) -> None:
    sent = gone(tmp_path, 300, **FAST)
    assert sent.outcome == "completed"
    assert sent.throttling.empty


def test_its_own_timer_syncs_where_a_round_is_long(tmp_path: Path, clock: Clock) -> None:
    """A sweep takes 12 s, the timer comes every 5 s; in the first sweep it does nothing."""
    sent = gone(
        tmp_path,
        3000,
        ("auto-converge",),
        workload="phases:uniform:20000@10s+idle@900s",
        parameters={"max-bandwidth": 1 << 20, "downtime-limit": 100},
    )
    due = sent.events.loc[sent.events["event"] == "cpu_throttle_dirty_sync", "t_ns"]
    assert len(due) >= 1
    assert (due.to_numpy() > 10_000_000_000).all()  # not in the first sweep
    assert sent.rounds["reason"].tolist().count("timer") == len(due)


def test_dirty_limit_slows_by_the_ring(tmp_path: Path, clock: Clock) -> None:
    sent = gone(
        tmp_path,
        12_000,
        ("dirty-limit",),
        workload="phases:sequential:30000@20s+idle@900s",
        parameters={"max-bandwidth": 60 << 20, "vcpu-dirty-limit": 10, "downtime-limit": 10},
    )
    assert sent.outcome == "completed"
    events = sent.events["event"].tolist()
    assert events.count("migration_dirty_limit_guest") == 1
    assert events.count("dirtylimit_vcpu_execute") >= 1
    assert sent.throttling.empty
    assert sent.counters["dirty_limit_throttle_time_per_round_us"] > 0


@pytest.mark.parametrize(("version", "counted"), [("10.2.2", 0), ("11.1.3", 1)])
def test_the_last_sync_counts_up_to_10_2(
    tmp_path: Path, clock: Clock, version: str, counted: int
) -> None:
    sent = gone(tmp_path, 500, qemu_version=version)
    assert sent.summary["ram"]["dirty-sync-count"] == len(sent.rounds) - counted


@pytest.mark.parametrize(("version", "each"), [("10.2.2", False), ("11.1.3", True)])
def test_11_1_syncs_in_every_pass_with_postcopy_ram(
    tmp_path: Path, clock: Clock, version: str, each: bool
) -> None:
    sent = gone(
        tmp_path,
        1500,
        ("postcopy-ram",),
        qemu_version=version,
        parameters={"max-bandwidth": 10 << 20, "downtime-limit": 1},
    )
    passes = len(sent.iterations)
    assert passes > 3
    reasons = sent.rounds["reason"].tolist()
    assert (reasons.count("exact") == passes) == each


def test_the_command_tells_the_steps(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = save_guest(tmp_path / "g", {"m0": contents(300, 0)})
    peer = Peer(tmp_path / "s", PRECOPY_END)
    words = ["--capability", "auto-converge", "--workload", "uniform:4000"]
    words += ["--bandwidth", "2MiB/s", "--downtime-limit", "100ms", "--qemu-version", "11.1.3"]
    assert main(["send", str(guest), peer.uri, *words]) == 0
    peer.join()
    assert "cpu throttle       20 % at " in capsys.readouterr().out


def test_threads_that_really_write_are_slowed_and_lose_nothing(tmp_path: Path) -> None:
    """They dirty four times what is sent; with a tenth of their time, and less, it fits."""
    permitted()
    guest = ArenaGuest(4 << 20, "uniform:8000", vcpus=2)
    guest.start()
    pair = Pair(tmp_path)
    values = {"max-bandwidth": 8 << 20, "downtime-limit": 50, "cpu-throttle-initial": 90}
    pair.send(guest, capabilities=["return-path", "auto-converge"], parameters=values)
    sent, came = pair.join()
    steps = sent.throttling["cpu_throttle_percentage"].tolist()
    assert steps == [90, 99, 99, 99][: len(steps)] != []
    arrived_whole(sent, came)
    # Two bad periods at 8000/s, and from then on a tenth of that; nothing was caught up.
    before_ns = sent.throttling["t_ns"][0]
    total_ns = sent.summary["total-time"] * MS
    most = 8000 * (before_ns + 0.1 * (total_ns - before_ns)) / 1e9
    written = came.to_dict()["guest"]["writes_before"]
    assert written < 1.2 * most + 1000


def test_a_guest_that_runs_has_no_ring_to_be_limited_by(tmp_path: Path) -> None:
    with ArenaGuest(1 << 20) as guest, pytest.raises(InputError, match="it has no dirty ring"):
        send(guest, f"unix:{tmp_path}/nobody", capabilities=("dirty-limit",))
