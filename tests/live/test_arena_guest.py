"""The guest of threads by itself: what it writes, how it stands still, and what finds a loss."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from live.arena_pair import until
from migkit._engine.writers import make_writer
from migkit.errors import InputError, StreamError
from migkit.live import ArenaGuest
from migkit.live.guest.clock import GuestClock
from migkit.live.guest.contents import COUNTERS
from migkit.live.guest.dirty_log import DirtyLog
from migkit.live.guest.memory import map_private
from migkit.live.guest.state import description_of, guest_of_state, state_of
from migkit.stream.device_lengths import parse_description

SIZE = 64 * 4096
WORKLOADS = (
    "idle",
    "uniform:9000",
    "sequential:9000,set=64KiB,base=3",
    "hotcold:9000,hot=5,percent=90",
    "zipf:9000,exponent=1.2",
    "phases:uniform:9000@20ms+sequential:5000@10ms",
)


def ran(workload: str, vcpus: int = 2, writes: int = 100) -> ArenaGuest:
    guest = ArenaGuest(SIZE, workload, vcpus=vcpus)
    guest.start()
    if workload != "idle":
        until(lambda: guest.writes >= writes)
    guest.stop()
    return guest


def test_a_throttled_clock_stands_in_the_sleep_of_its_vcpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 60 % vCPUs sleep 15 ms and run 10 ms, over and over."""
    now = [1_000]
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    clock = GuestClock(5)
    clock.start()
    clock.throttle(60)
    shown = []
    for milliseconds in (10, 15, 20, 25, 40, 50):
        now[0] = 1_000 + milliseconds * 1_000_000
        shown.append(clock.now_ns() - 5)
    assert shown == [0, 0, 5_000_000, 10_000_000, 10_000_000, 20_000_000]
    clock.throttle(0)
    now[0] += 3_000_000
    assert clock.now_ns() - 5 == 23_000_000
    clock.stop()
    now[0] += 3_000_000
    clock.throttle(99)
    assert clock.now_ns() - 5 == 23_000_000


def test_a_step_of_the_throttle_waits_for_the_end_of_the_slice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From 60 to 50 % in the middle of 25 ms: they end as they began, then 10 ms sleep, 10 run."""
    now = [0]
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    clock = GuestClock(5)
    clock.start()
    clock.throttle(60)
    now[0] = 10_000_000
    clock.throttle(50)
    assert clock.percentage == 50
    shown = []
    for milliseconds in (15, 20, 25, 35, 40):
        now[0] = milliseconds * 1_000_000
        shown.append(clock.now_ns() - 5)
    assert shown == [0, 5_000_000, 10_000_000, 10_000_000, 14_999_999]  # QEMU sleeps 1 ns more


def stood_at(clock_ns: int) -> ArenaGuest:
    """Return a guest that has made all writes that were due, without running."""
    guest = ArenaGuest(SIZE, "uniform:9000", vcpus=2, clock=GuestClock(clock_ns))
    due = make_writer(guest.workload)
    while due.next_write(clock_ns) is not None:
        due.drop_write()
    for vcpu in guest.vcpus:
        vcpu.go_to(due.number, due.next_write(), due.number // 2, clock_ns)
    return guest


STATE = state_of(stood_at(14_111_076))


@pytest.mark.parametrize("workload", WORKLOADS)
def test_each_write_of_the_workload_is_in_its_page(workload: str) -> None:
    guest = ran(workload, vcpus=3)
    found = guest.check()
    assert found.whole
    assert found.writes == guest.writes
    # The same by hand, from the writer of the engine.
    writer, due = make_writer(guest.workload), np.zeros((64, 3), int)
    positions = [vcpu.position for vcpu in guest.vcpus]
    for number in range(max(positions)):
        written = writer.next_write()
        assert written is not None
        vcpu = number % 3
        due[written[1], vcpu] += number < positions[vcpu]
        writer.drop_write()
    counters = guest.memory.bytes.view(np.uint64).reshape(64, -1)[:, :6:2]
    assert (counters == due).all()
    assert found.written_pages == np.count_nonzero(due.any(axis=1))


def test_nothing_is_written_before_the_time_it_is_due() -> None:
    guest = ran("uniform:5000")
    ahead = [vcpu.ahead for vcpu in guest.vcpus]
    assert all(due is not None and due[0] > 0 for due in ahead)
    for vcpu in guest.vcpus:
        writer = make_writer(guest.workload)
        last = 0
        while writer.number < vcpu.position:
            last = (writer.next_write() or (0, 0))[0]
            writer.drop_write()
        assert last <= guest.clock.now_ns()


def test_a_guest_that_stands_still_writes_nothing_and_its_clock_stands() -> None:
    guest = ran("uniform:9000")
    before, clock = guest.memory.bytes.copy(), guest.clock.now_ns()
    time.sleep(0.02)
    assert (guest.memory.bytes == before).all()
    assert (guest.clock.now_ns(), guest.beat) == (clock, clock // 10_000_000)
    guest.start()
    until(lambda: (guest.memory.bytes != before).any())
    guest.stop()
    assert guest.clock.now_ns() > clock
    assert guest.check().whole


def damaged(guest: ArenaGuest, page: int, vcpu: int, count: int, number: int) -> None:
    at = page * 4096 + vcpu * 16
    had, last = COUNTERS.unpack_from(guest.memory.view, at)
    COUNTERS.pack_into(guest.memory.view, at, had + count, number or last)


def test_what_is_lost_or_done_twice_or_changed_is_found() -> None:
    guest = ran("uniform:9000")
    [page, other, *_] = np.flatnonzero(guest.memory.bytes.reshape(64, -1)[:, 0] > 1).tolist()
    damaged(guest, page, 0, -1, 0)
    found = guest.check()
    assert (found.lost_writes, found.wrong_pages.tolist()) == (1, [page])
    damaged(guest, page, 0, 1, 0)
    assert guest.check().whole
    damaged(guest, other, 0, 1, 0)
    found = guest.check()
    assert (found.lost_writes, found.wrong_pages.tolist()) == (0, [other])
    damaged(guest, other, 0, -1, 1 << 40)
    assert guest.check().wrong_pages.tolist() == [other]
    damaged(guest, other, 0, 0, 0)
    guest.memory.view[7 * 4096 + 4000] ^= 1
    assert sorted(guest.check().wrong_pages.tolist()) == sorted({7, other})


def test_a_guest_that_runs_is_not_checked() -> None:
    with ArenaGuest(SIZE, "uniform:10") as guest:
        guest.start()
        with pytest.raises(InputError, match="stop it before"):
            guest.check()
    assert not guest.running


def test_a_sync_keeps_the_mark_of_a_write_that_is_not_done() -> None:
    log = DirtyLog(10, 2)
    log.begin(0, 3)
    log.begin(1, 5)
    log.end(1)
    assert log.take().tolist() == [3, 5]
    assert log.take().tolist() == [3]  # its contents may have been read before they were written
    log.end(0)
    assert log.take().tolist() == [3]
    assert log.take().tolist() == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": 5000}, "whole pages"),
        ({"size": 0}, "whole pages"),
        ({"vcpus": 0}, r"1\.\.64"),
        ({"vcpus": 65}, r"1\.\.64"),
        ({"workload": "uniform:10,write=zero"}, "leave write= out"),
        ({"workload": "phases:uniform:10,write=random@1s+idle@1s"}, "leave write= out"),
        ({"workload": "uniform:10,pages=65"}, "has 64 pages"),
        ({"workload": "unifrom:10"}, "uniform"),
    ],
)
def test_what_is_not_a_guest_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ArenaGuest(**({"size": SIZE} | values))


def test_a_recorded_workload_cannot_travel(tmp_path: Any) -> None:
    (tmp_path / "w.csv").write_text("t_ns,page\n1000,3\n")
    with pytest.raises(InputError, match="allowed idle"):
        ArenaGuest(SIZE, f"recorded:{tmp_path}/w.csv")


@settings(deadline=None, max_examples=60)
@given(
    workload=st.sampled_from(WORKLOADS),
    seed=st.integers(0, 2**63 - 1),
    clock_ns=st.integers(0, 90_000_000),
    late=st.lists(st.integers(0, 20), min_size=1, max_size=4),
)
def test_chance_goes_on_where_it_was(
    workload: str, seed: int, clock_ns: int, late: list[int]
) -> None:
    if not workload.startswith("phases"):
        workload += ("," if ":" in workload else ":") + f"seed={seed}"
    guest = ArenaGuest(SIZE, workload, vcpus=len(late), clock=GuestClock(clock_ns))
    for vcpu, behind in zip(guest.vcpus, late, strict=True):
        due = make_writer(guest.workload)
        while due.next_write(clock_ns) is not None:
            due.drop_write()
        number = max(0, due.number - behind)
        again = make_writer(guest.workload)
        while again.number < number:
            again.next_write()
            again.drop_write()
        vcpu.go_to(number, again.next_write(), number // len(late), clock_ns)
    body = state_of(guest)
    assert len(body) == parse_description(description_of(guest), 0).body_bytes("migkit-vcpus", 0)  # type: ignore[union-attr]
    assert 0x7E not in body
    other = guest_of_state(body, map_private(SIZE))
    assert (other.clock.now_ns(), other.beat) == (clock_ns, guest.beat)
    for one, two in zip(guest.vcpus, other.vcpus, strict=True):
        assert (one.position, one.ahead, one.writes) == (two.position, two.ahead, two.writes)


def changed(values: dict[str, Any], path: str, value: object) -> bytes:
    *way, last = path.split(".")
    inner: Any = values
    for name in way:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    inner[int(last) if isinstance(inner, list) else last] = value
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("page_size", 1),
        ("clock_ns", -1),
        ("clock_ns", 1 << 60),
        ("clock_ns", "x"),
        ("beat", 10**6),
        ("workload", {}),
        ("workload", []),
        ("workload.kind", "recorded-pages"),
        ("workload.path", "/etc/passwd"),
        ("workload.pages", 1 << 40),
        ("workload.rate_pages_per_s", -4),
        ("vcpus", []),
        ("vcpus", [{}]),
        ("vcpus.0.position", 1 << 62),
        ("vcpus.0.position", None),
        ("vcpus.0.ahead", [5, 5, 5]),
        ("vcpus.0.ahead", [5]),
        ("vcpus.0.ahead", [1 << 60, 5]),
        ("vcpus.0.ahead", None),
        ("vcpus.0.ahead", [1 << 55, 5]),
        ("vcpus.0.position", 1 << 70),
    ],
)
def test_a_state_that_is_none_is_refused(path: str, value: object) -> None:
    values = json.loads(state_of(ran("uniform:9000")))
    with pytest.raises(StreamError, match="section migkit-vcpus"):
        guest_of_state(changed(values, path, value), map_private(SIZE))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xff", b"[" * 100_000, b"1e999"])
def test_bytes_that_are_no_state_are_refused(body: bytes) -> None:
    with pytest.raises(StreamError, match="section migkit-vcpus"):
        guest_of_state(body, map_private(SIZE))


@settings(deadline=None, max_examples=400)
@example(at=275, put=b"", gone=6)
@given(
    at=st.integers(0, 700),
    put=st.binary(min_size=0, max_size=4) | st.sampled_from([b"-", b"9" * 20, b"[", b'"', b"0."]),
    gone=st.integers(0, 6),
)
def test_a_state_with_other_bytes_in_it_is_refused_or_one(at: int, put: bytes, gone: int) -> None:
    body = STATE[:at] + put + STATE[at + gone :]
    try:
        guest = guest_of_state(body, map_private(SIZE))
    except StreamError:
        return
    assert not guest.running
    assert len(guest.vcpus) == 2
