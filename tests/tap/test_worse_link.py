"""Whatever the link does, no byte is lost, changed or out of order."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migkit.errors import InputError
from migkit.tap import Tap
from stream.composed import HEADER, PAGE, end, normal, part, start
from tap.wire import Destination, connected, received, send, until

STREAM = HEADER + start({"ram": 600 * PAGE})
STREAM += part(normal(0, "ram") + b"".join(map(normal, range(1, 120)))) + end(b"") + b"\0"


@settings(max_examples=8, deadline=None)
@given(
    link=st.fixed_dictionaries(
        {
            "loss": st.sampled_from(["0%", "0.1%", "1%"]),
            "jitter": st.sampled_from(["0ms", "3ms"]),
            "latency": st.sampled_from(["0ms", "2ms"]),
            "timeout": st.just("5ms"),
        }
    ),
    profile=st.sampled_from([None, "0s:100MB/s,20ms:20MB/s,40ms:500MB/s"]),
    outages=st.sampled_from([(), "5ms+10ms", "1ms+1ms,30ms+20ms"]),
    seed=st.integers(0, 2**32),
)
def test_every_byte_arrives_in_order_on_both_ways(
    link: dict[str, str], profile: str | None, outages: str, seed: int
) -> None:
    draws = random.Random(seed)
    streams = [STREAM, draws.randbytes(100_000)]
    answers = [draws.randbytes(50_000), draws.randbytes(3)]
    with (
        Destination(answers) as destination,
        Tap(
            "tcp:127.0.0.1:0", destination.address,
            link=link, profile=profile, outages=outages, seed=seed,
        ) as tap,
    ):  # fmt: skip
        sources = []
        for number, data in enumerate(streams):
            sources.append(connected(tap.address))
            assert until(lambda count=number: len(destination.received) > count)
            send(sources[-1], data)
        assert [received(source) for source in sources] == answers
        assert tap.wait(60)
        destination.join()
    assert [bytes(data) for data in destination.received] == streams
    result = tap.result()
    assert result.outcome == "complete"
    assert result.qemu_counts["normal_pages"] == 120
    assert result.to_dict()["bytes_to_destination"] == sum(map(len, streams))


def test_the_result_tells_the_link() -> None:
    with (
        Destination() as destination,
        Tap(
            "tcp:127.0.0.1:0", destination.address,
            rate="50MB/s", latency="1ms", link={"loss": "1%"}, outages="5ms+5ms", seed=7,
        ) as tap,
    ):  # fmt: skip
        source = connected(tap.address)
        send(source, STREAM)
        received(source)
        assert tap.wait(60)
    told = tap.result().to_dict()["link"]
    assert told["bandwidth_bytes_per_s"] == 50_000_000
    assert told["loss_percent"] == 1.0
    assert told["carries_bytes_per_s"] < 10_000_000
    assert told["seed"] == 7
    assert told["outages"] == [
        {"begin_ns": 5_000_000, "end_ns": 10_000_000, "goes_on_ns": 207_000_000}
    ]


def test_leaving_a_tap_does_not_wait_for_an_outage() -> None:
    with Destination() as destination:
        with Tap("tcp:127.0.0.1:0", destination.address, outages="0s+1h") as tap:
            source = connected(tap.address)
            source.sendall(STREAM[:-1])  # whole, it would be complete where the tap had read it
        assert received(source) == b""
        destination.join()
    assert tap.result().outcome in {"nothing", "broken"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"link": {"loss": "60%"}}, "allowed 0..50 %"),
        ({"link": {"lost": "1%"}}, "did you mean loss"),
        ({"link": {"channels": "1Gbit/s+1Gbit/s"}}, "a tap has one link"),
        ({"link": {"flows": 3}}, "the link's bandwidth is not given"),
        ({"profile": "1s"}, "not a step"),
        ({"outages": "1s"}, "allowed BEGIN"),
    ],
)
def test_a_wrong_link_is_one_clear_error(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Tap("tcp:127.0.0.1:0", "tcp:127.0.0.1:1", **options)  # type: ignore[arg-type]
