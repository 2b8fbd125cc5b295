"""A guest of threads moves between two of ours while it writes, and no write is lost."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from live.arena_pair import (
    PREEMPT,
    SLOW,
    WAIT_S,
    Pair,
    arrived_whole,
    nothing_more,
    open_things,
    permitted,
    until,
)
from live.send_peer import holding
from migkit.errors import InputError
from migkit.live import ArenaGuest, Receiver, send

SIZE = 12 << 20


@pytest.fixture(autouse=True)
def _here() -> None:
    permitted()


@pytest.mark.parametrize("more", [(), ("multifd",)], ids=["plain", "multifd"])
def test_precopy(tmp_path: Path, more: tuple[str, ...]) -> None:
    guest = ArenaGuest(SIZE, "hotcold:800,hot=50,percent=90", vcpus=2)
    guest.start()
    pair = Pair(tmp_path)
    pair.send(guest, capabilities=["return-path", *more])
    sent, came = pair.join()
    stopped_at = guest.writes
    arrived = arrived_whole(sent, came)
    assert (guest.running, guest.writes) == (False, stopped_at)
    assert came.to_dict()["guest"]["writes_before"] == stopped_at < arrived.writes
    assert sent.summary["ram"]["dirty-sync-count"] >= 2
    counters = came.stream.counters
    assert counters["normal"] == sent.summary["ram"]["normal"] > SIZE // 4096
    assert not len(came.faults)


@pytest.mark.parametrize("rule", ["before", "after"])
@pytest.mark.parametrize("more", [(), PREEMPT], ids=["plain", "preempt"])
def test_postcopy(tmp_path: Path, rule: str, more: tuple[str, ...]) -> None:
    before = open_things()
    guest = ArenaGuest(SIZE, "uniform:3000,seed=7", vcpus=3)
    guest.start()
    pair = Pair(tmp_path)
    values = {"rule": rule, "postcopy_at_s": 0.1, "capabilities": more or None}
    pair.send(guest, progress=holding(1), **values)
    sent, came = pair.join()
    arrived_whole(sent, came)
    told = came.to_dict()
    asked = sent.report()["requests"]["asked"]
    assert len(came.faults) == asked == told["requests"] > 0
    assert set(came.faults["vcpu"]) <= {0, 1, 2}
    assert (came.faults["latency_ns"] > 0).all()
    waited = told["guest"]
    assert sum(waited["postcopy-latency-dist"]) == len(came.faults)
    sums = came.faults.groupby("vcpu")["latency_ns"].sum().reindex(range(3), fill_value=0)
    assert waited["postcopy-vcpu-blocktime"] == (sums // 1_000_000).tolist()
    assert waited["postcopy-latency"] == sums.sum() // len(came.faults)
    assert waited["postcopy-blocktime"] <= min(waited["postcopy-vcpu-blocktime"])
    del pair
    until(lambda: nothing_more(before), f"the end of all that was begun: {open_things()}")


@pytest.mark.parametrize("more", [(), PREEMPT], ids=["plain", "preempt"])
def test_a_vcpu_that_waits_while_postcopy_is_paused_goes_on(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    guest = ArenaGuest(SIZE // 2, "uniform:3000,seed=3", vcpus=2)
    pair = Pair(tmp_path, recover_s=WAIT_S)
    pair.send(
        guest,
        postcopy_at_s=0.1,
        recover=str(pair.receiver.address),
        parameters=SLOW | {"max-postcopy-bandwidth": 1 << 20},
        capabilities=more or None,
        progress=pair.cut_when_served(),
    )
    sent, came = pair.join()
    assert came.pauses == 1
    assert came.requests_sent > len(came.faults)  # what was waited for is asked for again
    arrived_whole(sent, came)
    assert (sent.events["event"] == "postcopy_pause_continued").any()


def test_pages_of_zeros_that_came_before_postcopy_are_there(tmp_path: Path) -> None:
    """The kernel has no page where a zero one came: the destination answers for itself."""
    guest = ArenaGuest(SIZE, "sequential:4000,set=1MiB,base=2000", vcpus=1)
    pair = Pair(tmp_path)
    pair.send(guest, postcopy_at_s=0.1)
    sent, came = pair.join()
    arrived = arrived_whole(sent, came, 300)
    assert sent.summary["ram"]["duplicate"] > 2000
    assert not (arrived.memory.bytes[: 2000 * 4096]).any()


@pytest.mark.parametrize("seed", range(6))
def test_no_write_is_lost_whatever_is_drawn(tmp_path: Path, seed: int) -> None:
    draws = np.random.default_rng(seed)
    kinds = ("uniform:{}", "sequential:{}", "zipf:{},exponent=1.1", "hotcold:{},hot=50,percent=80",
             "phases:uniform:{}@300ms+sequential:500@200ms")  # fmt: skip
    at_s = None if draws.random() < 0.3 else float(draws.random() * 0.15)
    fastest = 800 if at_s is None else 6000
    kind = kinds[draws.integers(len(kinds))].format(draws.integers(300, fastest))
    vcpus = int(draws.integers(1, 5))
    guest = ArenaGuest(int(draws.integers(256, 2500)) * 4096, kind, vcpus=vcpus)
    guest.start()
    pair = Pair(tmp_path)
    preempt = PREEMPT if at_s is not None and draws.random() < 0.5 else None
    when = {} if at_s is None else {"postcopy_at_s": at_s}
    rule = ("before", "after")[draws.integers(2)]
    pair.send(guest, rule=rule, capabilities=preempt, **when)
    arrived_whole(*pair.join())


def test_there_and_back(tmp_path: Path) -> None:
    guest = ArenaGuest(SIZE // 4, "uniform:800", vcpus=2)
    guest.start()
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        pair = Pair(folder)
        pair.send(guest, **({"postcopy_at_s": 0.03} if number % 2 else {}))
        sent, came = pair.join()
        assert (sent.error, came.error) == ("", "")
        assert came.guest is not None
        assert came.guest.running
        assert came.to_dict()["guest"]["writes_before"] == guest.writes > 0
        guest = came.guest
    arrived_whole(sent, came)


def test_differences_of_pages_that_are_being_written(tmp_path: Path) -> None:
    on = ("return-path", "postcopy-ram", "xbzrle")
    unreached = SLOW | {"downtime-limit": 1}
    for at_s in (1.5, 6.0, 24.0):  # the third sweep, where differences begin, comes late at times
        guest = ArenaGuest(SIZE // 4, "hotcold:1500,hot=50,percent=90", vcpus=2)
        folder = tmp_path / str(at_s)
        folder.mkdir()
        pair = Pair(folder)
        pair.send(guest, capabilities=on, parameters=unreached, postcopy_at_s=at_s)
        sent, came = pair.join()
        arrived_whole(sent, came)
        if came.to_dict()["qemu_counts"]["xbzrle_pages"] > 0:
            return
    pytest.fail("no page came as a difference")


def test_auto_converge_slows_its_vcpus_down(tmp_path: Path) -> None:
    guest = ArenaGuest(SIZE // 4, "sequential:4000", vcpus=2)
    pair = Pair(tmp_path)
    pair.send(
        guest,
        capabilities=["return-path", "auto-converge"],
        parameters=SLOW
        | {"max-bandwidth": 8 << 20, "cpu-throttle-initial": 60, "cpu-throttle-increment": 30},
    )
    sent, came = pair.join()
    assert sent.report()["cpu_throttle_percentage"]
    arrived = arrived_whole(sent, came)
    throttled_ns = sent.summary["total-time"] * 1_000_000 - guest.clock.now_ns()
    assert throttled_ns > 50_000_000
    assert arrived.clock.now_ns() > guest.clock.now_ns()


def test_a_guest_in_a_file_runs_on(tmp_path: Path) -> None:
    guest = ArenaGuest(SIZE // 4, "zipf:5000", vcpus=2)
    guest.start()
    sent = send(guest, f"file:{tmp_path}/guest.mig", parameters=SLOW)
    for _ in range(2):  # as often as one likes
        came = Receiver(f"file:{tmp_path}/guest.mig", run=True).run()
        arrived = arrived_whole(sent, came)
        assert arrived.writes > guest.writes == came.to_dict()["guest"]["writes_before"]
        assert came.stream.device_fields["device"].tolist() == ["migkit-vcpus"]


def test_a_guest_that_does_not_arrive_runs_on_here(tmp_path: Path) -> None:
    guest = ArenaGuest(SIZE, "uniform:2000")
    guest.clock.throttle(90)  # as auto-converge may have done until then
    pair = Pair(tmp_path)
    pair.send(guest, parameters=SLOW | {"max-bandwidth": 2 << 20})
    until(lambda: pair.receiver.progress.pages > 100, "no pages")
    pair.receiver.yank()
    sent, came = pair.join()
    assert (sent.outcome, came.outcome, came.guest) == ("failed", "failed", None)
    assert guest.running
    until(lambda now=guest.writes: guest.writes > now)  # type: ignore[misc]
    assert guest.clock.percentage == 0
    guest.stop()
    assert guest.check().whole


def test_a_pause_that_nobody_ends_leaves_nothing(tmp_path: Path) -> None:
    before = open_things()
    guest = ArenaGuest(SIZE, "uniform:3000", vcpus=2)
    pair = Pair(tmp_path)
    slow = SLOW | {"max-postcopy-bandwidth": 1 << 20}
    cut = pair.cut_when_served(wait=False)
    pair.send(guest, postcopy_at_s=0.1, parameters=slow, progress=cut)
    sent, came = pair.join()
    assert (came.outcome, came.guest) == ("postcopy-paused", None)
    assert sent.outcome == "postcopy-paused"
    assert not guest.running  # it runs at neither side, as with QEMU
    del pair, cut
    until(lambda: nothing_more(before), f"the end of all that was begun: {open_things()}")


def test_a_guest_of_others_cannot_run_here(tmp_path: Path) -> None:
    from live.send_peer import contents, save_guest

    saved = save_guest(tmp_path / "guest.mig", {"pc.ram": contents(10, 1)})
    receiver = Receiver(f"unix:{tmp_path}/to", run=True, wait_s=WAIT_S)
    came = []
    thread = threading.Thread(target=lambda: came.append(receiver.run()), daemon=True)
    thread.start()
    sent = send(saved, str(receiver.address))
    thread.join(WAIT_S)
    assert (sent.outcome, came[0].outcome) == ("failed", "failed")
    assert "leave out run" in came[0].error


def test_faults_of_a_pattern_and_of_a_guest_do_not_mix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave one out"):
        Receiver(f"unix:{tmp_path}/to", run=True, faults="uniform:100")
    with pytest.raises(InputError, match="leave the workload out"):
        send(ArenaGuest(4096), f"unix:{tmp_path}/to", workload="uniform:100")
    with pytest.raises(InputError, match="no dirty ring"):
        send(ArenaGuest(4096), f"unix:{tmp_path}/to", capabilities=["dirty-limit"])
