"""Links by hand: what TCP gets of them, when messages come, what a change does to a backlog."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest

from migkit import _engine, oracle
from migkit.errors import InputError
from migkit.host import HostProfile
from migkit.host.contention import DESTINATION_COSTS, SOURCE_COSTS, Contention
from migkit.network.link import Link
from migkit.oracle import network
from migkit.oracle.draws import counter
from migkit.plan import make_plan
from migkit.scenario import Scenario

LOSSES = [(1, 10_000_000), (4, 500_000_000), (90, 100_000)]


def run(**values):
    """Run a small guest on a link, compiled and as specified; both must agree."""
    link = {"bandwidth": "10MB/s", "latency": "1ms", **values.pop("link", {})}
    built = {"memory": "8MiB", "nonzero_percent": 50, "bandwidth": 0, "link": link, **values}
    plan = make_plan(Scenario.build(**built))
    fast, slow = _engine.run(plan), oracle.run(plan)
    assert fast["counters"] == slow["counters"]
    np.testing.assert_array_equal(fast["events"], slow["events"])
    return fast


def total_ms(**values):
    return run(**values)["counters"]["total_time_ms"]


def test_a_flow_among_three_others_gets_a_quarter_of_what_is_left():
    link = Link(1_000_000, competing_bytes_per_s=200_000, competing_flows=3)
    assert link.carries == 200_000
    assert Link(1_000_000, competing_bytes_per_s=5_000_000).carries == 100_000  # never nothing


def test_a_window_crosses_once_in_a_round_trip():
    assert Link(latency_ns=4_000_000, return_latency_ns=6_000_000, window_bytes=65536).carries == (
        6_553_600
    )


def test_loss_bounds_as_mathis_says_where_timeouts_are_rare():
    """MSS/RTT * sqrt(3/2bp): 1448 B, 20 ms, p = 1e-6, b = 2 give 62.70 MB/s."""
    link = Link(latency_ns=10_000_000, loss_percent=0.0001)
    mathis = 1448 / 0.020 * math.sqrt(3 / (2 * 2 * 1e-6))
    assert mathis == pytest.approx(62_700_239, abs=1)
    assert link.carries == pytest.approx(mathis, rel=0.01)
    assert link.carries < mathis


def test_more_loss_or_a_longer_way_carries_less():
    ways = [Link(10**9, latency_ns=5_000_000, loss_percent=p).carries for p in (0, 0.01, 1, 20)]
    assert all(more > less for more, less in pairwise(ways))
    far = [Link(10**9, latency_ns=ms * 10**6, loss_percent=0.1).carries for ms in (1, 10, 80)]
    assert all(near > distant for near, distant in pairwise(far))


def test_half_the_link_takes_twice_as_long():
    alone, shared = total_ms(), total_ms(link={"flows": 1})
    assert shared / alone == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(("packets", "loss"), LOSSES)
def test_messages_are_lost_as_often_as_their_packets_say(packets, loss):
    numbers = [counter(7, n) for n in range(20_000)]
    plain = [network.message_lost(packets, loss, number) for number in numbers]
    compiled = [_engine.network.message_lost(packets, loss, number) for number in numbers]
    assert plain == compiled
    expected = min(packets * loss / 1e9, 1)
    assert np.mean(plain) == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 20_000))


@pytest.mark.parametrize(("packets", "late"), [(1, 210), (3, 210), (4, 10), (90, 10)])
def test_a_lost_packet_is_told_of_by_those_behind_it(packets, late):
    assert network.retransmission_ns(packets, 10, 200) == late
    assert _engine.network.retransmission_ns(packets, 10, 200) == late


def test_shut_takes_the_way_back():
    """With a return path the end waits for both ways: 1 ms there, 41 ms back instead of 1."""
    near = total_ms(capabilities=["return-path"])
    far = total_ms(capabilities=["return-path"], link={"return-latency": "41ms"})
    assert far - near == 40


def test_jitter_makes_shut_late_by_no_more_than_itself():
    steady = total_ms(capabilities=["return-path"])
    shaky = {
        total_ms(capabilities=["return-path"], link={"jitter": "30ms"}, seed=seed)
        for seed in range(6)
    }
    assert len(shaky) > 3
    assert all(0 <= ms - steady <= 61 for ms in shaky)


def test_a_profile_carries_as_its_steps_add_up():
    """4 MiB at 10 MB/s for 0.2 s, the rest at 1 MB/s: 0.2 s + 2.19 MB / 1 MB/s."""
    outcome = run(link_profile="0s:10MB/s,0.2s:1MB/s", link={"send-buffer": 0})
    sent = outcome["counters"]["transferred_bytes"]
    assert outcome["counters"]["total_time_ms"] == pytest.approx(
        200 + (sent - 2_000_000) / 1000, abs=140
    )


def test_what_waits_in_the_sockets_goes_at_the_new_speed():
    """A buffer that holds everything: all is written at once, and drains at both speeds."""
    values = {"capabilities": ["return-path"], "link": {"send-buffer": "16MiB"}}
    slow = total_ms(link_profile="0s:10MB/s,0.1s:1MB/s", **values)
    sent = run(**values)["counters"]["transferred_bytes"]
    assert slow == pytest.approx(100 + (sent - 1_000_000) / 1000, rel=0.03)


KEPT_TIMES = {
    "landing.held_segment_ns",
    "clock_phase_ns",
    "throttle_timer_ns",
    "guest_write_ns",
    "dirty_logging.kvm_write_ns",
    "dirty_logging.tcg_repeated_write_ns",
    "postcopy.delayed_ack_ns",
}


def costs(profile, prefix=""):
    """Return every number of a profile, a nested one as group.name."""
    found = {}
    for field in dataclasses.fields(profile):
        value = getattr(profile, field.name)
        if dataclasses.is_dataclass(value):
            found |= costs(value, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = value
    return found


def test_a_busy_host_stretches_its_own_side_only():
    host = HostProfile.load()
    before, after = costs(host), costs(Contention(200, 300).on(host))
    assert not set(SOURCE_COSTS) & set(DESTINATION_COSTS)
    assert set(SOURCE_COSTS) | set(DESTINATION_COSTS) <= before.keys()
    for name, value in before.items():
        factor = 2 if name in SOURCE_COSTS else 3 if name in DESTINATION_COSTS else 1
        assert after[name] == (value if factor == 1 else factor * value), name


def test_what_a_busy_host_leaves_alone():
    """Sizes, shares, timers, the link, and what the guest's own program pays for its writes."""
    kept = costs(HostProfile.load()).keys() - set(SOURCE_COSTS) - set(DESTINATION_COSTS)
    timed = {name for name in kept if name.endswith(("_ns", "_ps"))}
    assert {name for name in timed if not name.startswith(("link.", "noise."))} == KEPT_TIMES


def test_a_busy_destination_slows_an_unlimited_migration():
    values = {"link": {"bandwidth": 0}}
    assert total_ms(**values, contention={"destination": 400}) > 2 * total_ms(**values)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Link(loss_percent=51), "loss_percent 51 · allowed 0..50 %"),
        (lambda: Link(return_latency_ns=-1), "return_latency_ns -1 · allowed"),
        (lambda: Link(segment_bytes=0), "segment_bytes 0 · allowed 1 or more"),
        (lambda: Link(competing_flows=1), "competing traffic · the link's bandwidth"),
        (lambda: Contention(source_percent=0), "source_percent 0 · allowed 1..100000 %"),
        (lambda: Scenario.build(link={"los": 1}), "link: los · unknown · did you mean loss?"),
        (lambda: Scenario.build(link={"loss": "much"}), "not a share in percent"),
        (lambda: Scenario.build(link_profile="5s"), "link_profile '5s' · not a step"),
        (lambda: Scenario.build(link_profile="5s:1MB/s,5s:2MB/s"), "let the times rise"),
        (lambda: Scenario.build(contention={"guest": 1}), "contention: guest · unknown"),
    ],
)
def test_refused_in_one_line(make, line):
    with pytest.raises(InputError, match=line):
        make()


def test_links_and_contention_are_written_and_read_back():
    scenario = Scenario.build(
        link={"jitter": "2ms", "loss": "0.1%", "return-latency": "3ms"},
        contention={"source": 150},
        link_profile="1s:1Gbit/s",
    )
    assert scenario.link.loss_percent == 0.1
    assert scenario.contention == Contention(150, 100)
    assert Scenario.from_dict(scenario.to_dict()) == scenario
