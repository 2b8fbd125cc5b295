"""A slower link: so many bytes a second, and each byte so long on its way."""

import time

import pytest

from migkit.errors import InputError
from migkit.tap import Tap
from stream.composed import HEADER, PAGE, end, normal, part, start
from tap.wire import LIMIT_S, Destination, connected, received, send, until

STREAM = HEADER + start({"ram": 600 * PAGE})
STREAM += part(normal(0, "ram") + b"".join(map(normal, range(1, 250)))) + end(b"") + b"\0"


def test_a_rate_holds_over_time() -> None:
    rate = 2_000_000
    with (
        Destination() as destination,
        Tap("tcp:127.0.0.1:0", destination.address, rate=rate) as tap,
    ):
        sources = [connected(tap.address) for _ in range(2)]
        begin = time.monotonic()
        send(sources[0], STREAM)
        send(sources[1], bytes(len(STREAM)))
        for source in sources:
            received(source)
        took = time.monotonic() - begin
    assert took >= 0.9 * 2 * len(STREAM) / rate  # both connections together
    counted = tap.result().intervals["to_destination_bytes"]
    assert counted.sum() == 2 * len(STREAM)
    assert counted.max() <= rate * 0.1 * 3


def test_latency_holds_each_way_and_keeps_the_order() -> None:
    with (
        Destination([b"pong" * 1000]) as destination,
        Tap("tcp:127.0.0.1:0", destination.address, latency="150ms") as tap,
    ):
        source = connected(tap.address)
        begin = time.monotonic()
        send(source, STREAM)
        assert until(lambda: len(destination.received) == 1 and len(destination.received[0]) > 0)
        assert time.monotonic() - begin >= 0.14
        assert received(source) == b"pong" * 1000
        assert tap.wait(LIMIT_S)
        destination.join()
    assert bytes(destination.received[0]) == STREAM
    assert tap.result().outcome == "complete"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate": 0}, "rate 0 · allowed above 0 B/s"),
        ({"rate": "-3MiB/s"}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"latency": "-1ms"}, "latency"),
        ({"latency": "5"}, "a unit is missing"),
        ({"cut": "someday"}, "cut 'someday'"),
        ({"after_cut": "maybe"}, "allowed pass, refuse"),
        ({"record": "pyproject.toml"}, "record pyproject.toml · is a file"),
        ({"record": "tests"}, "holds something"),
    ],
)
def test_bad_input_is_one_clear_error(
    options: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(request.config.rootpath)
    with pytest.raises(InputError, match=said):
        Tap("tcp:127.0.0.1:0", "tcp:127.0.0.1:1", **options)  # type: ignore[arg-type]
