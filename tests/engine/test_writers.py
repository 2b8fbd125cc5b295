"""The guest's writes: compiled as in the specification, and as the captures' guest makes them."""

import math
import signal
import threading
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.workload_strategies import (
    MEMORY_PAGES,
    MS,
    leads,
    moments,
    programs,
    workloads,
    writes_of,
)
from migkit._engine.bitmap import Bitmap
from migkit._engine.writers import make_writer
from migkit.errors import InputError, WorkloadError
from migkit.oracle import writers as oracle
from migkit.workloads import HotCold, Idle, Sequential, Uniform, Zipf
from migkit.workloads.phased import Phase, Phases
from migkit.workloads.recorded import Callback, RecordedPages

both = pytest.mark.parametrize(
    "make", [oracle.make_writer, make_writer], ids=["plain", "compiled"]
)


@given(workloads, leads)
def test_oracle_and_engine_write_the_same_pages_at_the_same_times(spec, lead):
    plain = writes_of(oracle.make_writer(spec, lead), 80 * MS)
    assert writes_of(make_writer(spec, lead), 80 * MS) == plain
    assert all(0 <= at for at, _ in plain)
    assert plain == sorted(plain, key=lambda write: write[0])


def log_after(spec, lead, stops, looks=frozenset()):
    """Pages set by each stop; at the stops in `looks` the next write is looked at first."""
    writer, found = make_writer(spec, lead), []
    for index, stop in enumerate(stops):
        log = Bitmap(MEMORY_PAGES)
        if index in looks:
            writer.next_write(stop + 5 * MS)
        writer.write_into(stop, log)
        found.append(log.pages())
    return found


@given(workloads, leads, moments, st.sets(st.integers(0, 5)))
def test_oracle_and_engine_set_the_same_bits_at_every_stop(spec, lead, stops, looks):
    plain, expected = oracle.make_writer(spec, lead), []
    for stop in stops:
        pages = set()
        plain.advance(stop, pages.add)
        expected.append(sorted(pages))
    assert log_after(spec, lead, stops, looks) == expected


@given(workloads, leads, moments, st.sets(st.integers(0, 5)))
def test_writes_are_numbered_as_they_are_taken(spec, lead, stops, looks):
    plain, fast = oracle.make_writer(spec, lead), make_writer(spec, lead)
    made = []
    for index, stop in enumerate(stops):
        if index in looks:
            fast.next_write(stop + 5 * MS)
        assert fast.number == plain.number == len(made)
        plain.advance(stop, made.append)
        fast.write_into(stop, Bitmap(MEMORY_PAGES))


@given(workloads, leads, moments)
def test_looking_more_often_changes_nothing(spec, lead, stops):
    whole = log_after(spec, lead, [80 * MS])[0]
    pieces = log_after(spec, lead, [*stops, 80 * MS])
    assert sorted(set().union(*pieces)) == whole


@given(workloads, leads)
def test_a_writer_keeps_to_its_pages(spec, lead):
    writer = make_writer(spec, lead)
    assert writer.end_page <= MEMORY_PAGES
    pages = {page for _, page in writes_of(writer, 80 * MS)}
    if isinstance(spec, Phases):
        extents = [(w.base_page, w.pages) for w in (p.workload for p in spec.phases)]
    else:
        extents = [(spec.base_page, spec.pages)]
    allowed = set().union(*(range(base, base + n) for base, n in extents))
    assert pages <= allowed


@given(programs().map(lambda spec: spec.within(MEMORY_PAGES)), st.integers(0, 60))
def test_a_batch_makes_the_writes_its_rate_owes(spec, k):
    """Counted batch by batch, with the fraction carried over, not by formula."""
    rate = Fraction(spec.rate_pages_per_s).limit_denominator(1_000_000)
    owed, count = Fraction(0), 0
    for _ in range(k):
        owed += rate * spec.batch_ms / 1000
        count += math.floor(owed)
        owed -= math.floor(owed)
    end = k * spec.batch_ms * MS
    assert len(writes_of(oracle.make_writer(spec), end, most=count + 1)) == count


def captures_guest(spec, milliseconds):
    """The program of the captures, step by step as their README tells it: pages of each ms."""
    state = 2463534242 ^ (spec.seed * 2654435761 % 2**32)

    def number():
        nonlocal state
        state ^= (state << 13) % 2**32
        state ^= state >> 17
        state ^= (state << 5) % 2**32
        return state

    for _ in range(spec.total_pages * 1024):
        number()
    position, carry = 0, 0
    for _ in range(milliseconds):
        carry += spec.rate_pages_per_s
        written = []
        for _ in range(carry // 1000):
            if isinstance(spec, Sequential):
                page = position % spec.pages
                position += 1
            elif isinstance(spec, Uniform):
                page = number() % spec.pages
            elif number() % 100 < spec.hot_percent:
                page = number() % spec.hot_pages
            else:
                page = spec.hot_pages + number() % (spec.pages - spec.hot_pages)
            written.append(page)
        carry %= 1000
        yield written


@both
@pytest.mark.parametrize("kind", [Sequential, Uniform, HotCold])
def test_the_captures_guest_is_followed_step_by_step(make, kind):
    hot = {"hot_pages": 7, "hot_percent": 95} if kind is HotCold else {}
    spec = kind(
        rate_pages_per_s=2345, pages=90, total_pages=110, base_page=13, seed=3,
        generator="xorshift32", **hot,
    )  # fmt: skip
    lead_ms = 50
    expected = [
        ((k - lead_ms) * MS, 13 + page)
        for k, pages in enumerate(captures_guest(spec, 250), start=1)
        for page in pages
        if k >= lead_ms
    ]
    assert len(expected) > 400
    assert writes_of(make(spec, lead_ms * MS), 200 * MS, most=10**6) == expected


def test_phases_with_the_same_seed_draw_different_pages():
    one = Uniform(rate_pages_per_s=10_000, seed=9)
    spec = Phases(phases=(Phase(workload=one, duration_ms=5),) * 2).within(400)
    writes = writes_of(make_writer(spec), 10 * MS)
    first = [page for at, page in writes if at <= 5 * MS]
    second = [page for at, page in writes if at > 5 * MS]
    assert len(first) == len(second) == 50
    assert first != second


def test_phases_go_on_where_they_were():
    sweep = Sequential(rate_pages_per_s=1000)
    rest = Idle()
    spec = Phases(
        phases=(Phase(workload=sweep, duration_ms=2), Phase(workload=rest, duration_ms=3))
    ).within(400)
    writes = writes_of(make_writer(spec), 12 * MS)
    assert writes == [
        (1 * MS, 0),
        (2 * MS, 1),
        (6 * MS, 2),
        (7 * MS, 3),
        (11 * MS, 4),
        (12 * MS, 5),
    ]


@both
def test_a_recording_begins_with_migration_whatever_the_lead(make):
    spec = RecordedPages(t_ns=[0, 3, 5], page=[5, 2, 2], base_page=10).within(100)
    assert writes_of(make(spec, 10**9), MS) == [(0, 15), (3, 12), (5, 12)]


def test_a_silent_callback_ends():
    spec = Callback(function=lambda from_ns, to_ns: (), batch_ms=1).within(10)
    assert make_writer(spec).next_write() is None


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda a, b: 1 / 0, r"function\(2000000, 3000000\).*raised ZeroDivisionError"),
        (lambda a, b: [3, 10], r"returned page 10 · return pages 0\.\.9"),
        (lambda a, b: [-1], "returned page -1"),
        (lambda a, b: [0.5], "returned an array of float64"),
        (lambda a, b: [[1], [2]], "2 dimensions"),
    ],
)
def test_a_callback_that_misbehaves_is_named_when_its_time_comes(function, message):
    def late(from_ns, to_ns):
        return function(from_ns, to_ns) if to_ns > 2 * MS else [1]

    spec = Callback(function=late).within(10)
    log = Bitmap(10)
    writer, plain = make_writer(spec), oracle.make_writer(spec)
    writer.write_into(2 * MS, log)
    plain.advance(2 * MS, set().add)
    assert writer.failure is None
    with pytest.raises(WorkloadError, match=message):
        plain.advance(3 * MS, set().add)
    with pytest.raises(WorkloadError, match=message):
        writer.write_into(3 * MS, log)
    assert log.pages() == [1]
    assert isinstance(writer.failure, WorkloadError)


def test_a_log_that_is_too_small_is_refused():
    writer = make_writer(Uniform(rate_pages_per_s=1000, base_page=5).within(100))
    with pytest.raises(InputError, match=r"log of 99 pages · writes reach page 99"):
        writer.write_into(MS, Bitmap(99))


def test_a_workload_not_fitted_to_a_guest_is_refused():
    with pytest.raises(WorkloadError, match="still open"):
        make_writer(Uniform(rate_pages_per_s=1000))


def test_a_long_advance_answers_signals():
    spec = Zipf(rate_pages_per_s=10**12).within(1000)
    writer = make_writer(spec)
    alarm = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])

    def endless():
        alarm.start()
        writer.write_into(10**15, Bitmap(1000))

    with pytest.raises(KeyboardInterrupt):
        endless()
    assert isinstance(writer.failure, KeyboardInterrupt)


@settings(max_examples=20)
@given(st.lists(workloads, min_size=8, max_size=8))
def test_writers_in_threads_write_as_alone(specs):
    alone = [writes_of(make_writer(spec), 40 * MS) for spec in specs]
    found = [None] * 8

    def work(index):
        found[index] = writes_of(make_writer(specs[index]), 40 * MS)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone
