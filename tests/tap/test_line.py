"""A link in model time: the rates, delays and outages of the simulation's physics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit.errors import InputError
from migkit.network import Link
from migkit.oracle.draws import counter
from migkit.oracle.network import message_lost, retransmission_ns
from migkit.plan.network import Network
from migkit.tap.line import Line
from migkit.tap.line_text import written_line
from migkit.tap.outage import Outage, parse_outages, resumes_ns

MS = 1_000_000
S = 1_000_000_000
MESSAGE = 131_072
SLOW = Link(bandwidth_bytes_per_s=12_500_000)


def sent(line: Line, messages: int, count: int = MESSAGE) -> list[int]:
    """Send messages as fast as the line takes them; return when each has left."""
    left = [0]
    for _ in range(messages):
        left.append(line.left(line.take(left[-1], count)))
    return left[1:]


def arrivals(line: Line, messages: int, count: int = MESSAGE) -> list[int]:
    return [line.arrives(0, False, at, count) for at in sent(line, messages, count)]


@pytest.mark.parametrize(
    "link",
    [
        SLOW,
        Link(bandwidth_bytes_per_s=125_000_000, latency_ns=5 * MS, loss_percent=0.1),
        Link(bandwidth_bytes_per_s=125_000_000, latency_ns=5 * MS, loss_percent=2.0),
        Link(latency_ns=10 * MS, window_bytes=1 << 20),
        Link(bandwidth_bytes_per_s=125_000_000, competing_flows=4, jitter_ns=2 * MS),
    ],
)
def test_the_mean_rate_is_what_the_link_carries(link: Link) -> None:
    messages = 2000
    last = arrivals(Line(link, 3), messages)[-1]
    late = link.latency_ns + link.back_ns + link.jitter_ns + 400 * MS  # of the last message alone
    assert messages * MESSAGE * S / last <= link.carries
    assert messages * MESSAGE * S / (last - late) >= link.carries
    assert sent(Line(link, 3), messages)[-1] * link.carries / S == pytest.approx(
        messages * MESSAGE, 1e-6
    )


def test_the_rate_falls_with_the_loss() -> None:
    rates = [
        MESSAGE * 500 / sent(Line(Link(125_000_000, 5 * MS, loss_percent=loss)), 500)[-1]
        for loss in (0.0, 0.01, 0.1, 1.0)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 10 * rates[-1]


def test_each_message_is_as_late_as_the_rules_of_the_simulation_say() -> None:
    link = Link(latency_ns=5 * MS, return_latency_ns=3 * MS, jitter_ns=2 * MS, loss_percent=0.2)
    line, network = Line(link, 11), Network.of(link, 11)
    due = 0
    for number, count in enumerate([100, MESSAGE, 5000, 1448] * 200):
        at = number * 10 * MS
        travel = 5 * MS + (counter(network.keys[0], 2 * number) * (2 * MS + 1) >> 64)
        packets = -(-count // 1448)
        if message_lost(packets, network.loss, counter(network.keys[0], 2 * number + 1)):
            travel += retransmission_ns(packets, 8 * MS, 200 * MS)
        due = max(due, at + travel)
        assert line.arrives(0, False, at, count) == due


@given(
    seed=st.integers(0, 2**63),
    counts=st.lists(st.integers(1, 200_000), min_size=1, max_size=40),
    gaps=st.lists(st.integers(0, 300 * MS), min_size=40, max_size=40),
    loss=st.sampled_from([0.0, 0.5, 5.0]),
    jitter=st.integers(0, 50 * MS),
)
def test_messages_keep_their_order_and_the_seed_decides(
    seed: int, counts: list[int], gaps: list[int], loss: float, jitter: int
) -> None:
    link = Link(5_000_000, 3 * MS, loss_percent=loss, jitter_ns=jitter)
    outages = (Outage(100 * MS, 180 * MS), Outage(500 * MS, 900 * MS))
    steps = [(50 * MS, {"bandwidth": 1_000_000}), (400 * MS, {"bandwidth": 0})]
    runs = []
    for _ in range(2):
        line, now, seen = Line(link, seed, steps, outages), 0, []
        for count, gap in zip(counts, gaps, strict=False):
            now += gap
            left = line.left(line.take(now, count))
            seen.append((left, line.arrives(0, False, left, count)))
            assert left >= now
            assert seen[-1][1] >= left + 3 * MS
            for outage in outages:
                assert not outage.begin_ns < left < outage.end_ns
                assert not outage.begin_ns <= seen[-1][1] < outage.end_ns
        runs.append(seen)
        due = [arrived for _, arrived in seen]
        assert due == sorted(due)
    assert runs[0] == runs[1]


def test_a_profile_changes_the_rate_within_a_message() -> None:
    line = written_line(None, "1MB/s", None, "1s:2MB/s,2s:500kB/s", (), 1)
    # 1 MB in the first second, 2 MB in the second, then 0.5 MB each.
    assert line.left(line.take(0, 1_000_000)) == S
    assert line.left(line.take(0, 2_500_000)) == 3 * S
    assert line.left(line.take(10 * S, 1_000_000)) == 12 * S


def test_what_waits_goes_at_the_speed_of_a_change() -> None:
    line = Line(Link(1_000_000))
    place = line.take(0, 3_000_000)
    assert line.left(place) == 3 * S
    line.change(S, {"bandwidth": 4_000_000})
    assert line.left(place) == S + S // 2
    line.change(S + S // 4, {"bandwidth": 0})
    assert line.left(place) == pytest.approx(S + S // 4, abs=2)


def test_channels_that_share_a_lossy_link_get_more_of_it_together() -> None:
    link = Link(latency_ns=5 * MS, loss_percent=1.0)
    line = Line(link)
    alone = line.rate(0)
    line.share(0, 4)
    assert line.rate(0) == link.carried_by(4) > 3 * alone


def test_after_a_recovery_the_link_is_the_recoverys() -> None:
    line = Line(Link(1_000_000, recovery_bandwidth_bytes_per_s=0, competing_flows=1))
    assert line.rate(0) == 500_000
    line.recover(S)
    assert (line.rate(0), line.rate(S)) == (500_000, 0)


@pytest.mark.parametrize(
    ("length", "timeout", "goes_on"),
    [(1, 200, 200), (200, 200, 200), (201, 200, 600), (600, 200, 600), (1500, 210, 3150)],
)
def test_tcp_goes_on_at_a_retransmission_that_gets_through(
    length: int, timeout: int, goes_on: int
) -> None:
    assert resumes_ns(Outage(S, S + length * MS), timeout * MS) == S + goes_on * MS


def test_waits_between_retransmissions_end_at_two_minutes() -> None:
    # 200 ms x (2^10 - 1) = 204.6 s with waits of up to 102.4 s; the next is 120 s, not 204.8 s.
    assert resumes_ns(Outage(0, 205 * S), 200 * MS) == 324_600 * MS
    assert resumes_ns(Outage(0, 325 * S), 200 * MS) == 444_600 * MS


def test_an_outage_holds_both_ways_and_takes_what_is_on_its_way() -> None:
    link = Link(latency_ns=10 * MS)
    line = Line(link, outages=[Outage(S, S + 300 * MS)])
    goes_on = resumes_ns(Outage(S, S + 300 * MS), 220 * MS)
    assert goes_on == S + 660 * MS
    assert line.arrives(0, False, S - 20 * MS, 8) == S - 10 * MS
    assert line.arrives(0, False, S - 5 * MS, 8) == goes_on + 10 * MS  # it was on its way
    assert line.arrives(1, True, S + 100 * MS, 8) == goes_on + 10 * MS
    assert line.left(line.take(S + MS, 1)) == pytest.approx(goes_on, abs=2)
    assert line.arrives(1, True, goes_on, 8) == goes_on + 10 * MS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2s", "allowed BEGIN.LENGTH"),
        ("2s+0", "it lasts no time"),
        ("2s+1", "a unit is missing"),
        ("2s+2s,3s+1s", "give them in order, apart"),
    ],
)
def test_a_wrong_outage_is_one_clear_error(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_outages(text)


def test_an_outage_reads_as_it_is_written() -> None:
    (outage,) = parse_outages("2s+500ms")
    assert parse_outages(str(outage)) == (outage,)


def test_a_link_for_each_channel_is_refused() -> None:
    with pytest.raises(InputError, match="a tap has one link"):
        Line(Link(channel_bandwidths_bytes_per_s=(1000,)))
