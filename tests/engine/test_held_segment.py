"""The last segment of a precopy stream, held back by Nagle until a delayed acknowledgement."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from migkit.errors import HostProfileError
from migkit.host import HostProfile
from migkit.host.noise import Noise
from migkit.plan import make_plan
from migkit.scenario import Scenario
from migkit.simulate import simulate
from tests.engine.test_golden_bytes import ENGINES, Run

HELD_NS = 41_000_000
IDLE = {
    "memory": "64MiB",
    "bandwidth": "50MiB/s",
    "downtime_limit": "1ms",
    "capabilities": ["return-path"],
}


def scenario(held_ns: int = 0, noise: Noise | None = None, **values: Any) -> Scenario:
    """An idle guest whose last pass is one page: the destination has digested all before it."""
    built = Scenario.build(**{**IDLE, **values})
    host = HostProfile.load()
    landing = dataclasses.replace(host.landing, held_segment_ns=held_ns)
    host = dataclasses.replace(host, landing=landing, noise=noise or Noise())
    return dataclasses.replace(built, host=host)


def added_ms(run: Run, **values: Any) -> tuple[int, int]:
    """Return what holding adds to total time and downtime."""
    ends = [run(make_plan(scenario(held, **values))) for held in (0, HELD_NS)]
    counters = [end["counters"] for end in ends]
    assert counters[1]["transferred_bytes"] == counters[0]["transferred_bytes"]
    assert ends[1]["held_segment_ns"] in (0, HELD_NS)
    return tuple(  # type: ignore[return-value]
        counters[1][name] - counters[0][name] for name in ("total_time_ms", "downtime_ms")
    )


@ENGINES
def test_it_is_held_where_a_return_path_keeps_the_socket_open(run: Run) -> None:
    """41 ms more of both; without a return path the source closes, and nothing waits."""
    assert added_ms(run) == (41, 41)
    assert added_ms(run, capabilities=[]) == (0, 0)


@ENGINES
def test_a_destination_that_lags_acknowledges_as_it_goes(run: Run) -> None:
    """A link that is still busy with the last burst when the devices are saved."""
    assert added_ms(run, link={"bandwidth": "60MiB/s"}) == (0, 0)


@ENGINES
def test_nothing_of_it_in_postcopy(run: Run) -> None:
    """The package ends with the source going on to write."""
    values = {
        "bandwidth": "20MiB/s",
        "workload": "uniform:2000,pages=4000",
        "capabilities": ["postcopy-ram"],
        "timeline": [{"command": "migrate-start-postcopy", "at_s": 0.5}],
    }
    assert added_ms(run, **values) == (0, 0)


def test_the_destination_waits_behind_its_devices() -> None:
    """The checkpoint comes 41 ms later, each device when it came before."""
    plain, held = (simulate(scenario(held)) for held in (0, HELD_NS))
    assert held.device_downtime().equals(plain.device_downtime())
    marks = [dict(zip(r.downtime["checkpoint"], r.downtime["t_ns"], strict=True))
             for r in (plain, held)]  # fmt: skip
    loaded = "dst-precopy-loadvm-completed"
    assert marks[1][loaded] == marks[0][loaded] + HELD_NS
    assert plain.blackout_ms is not None
    assert held.blackout_ms == pytest.approx(plain.blackout_ms + 41)


def downtimes(permille: int, **values: Any) -> list[int]:
    """Return the downtimes of 60 replicates."""
    noise = Noise(held_segment_permille=permille, held_segment_ns=(HELD_NS, HELD_NS) if permille
                  else ())  # fmt: skip
    frame = simulate(scenario(noise=noise, **values), replicates=60).frame
    return [int(value) for value in frame["downtime_ms"]]


def test_replicates_hold_it_as_often_as_the_noise_says() -> None:
    """Never, always, or in about half of them; and each run is a run with or without it."""
    never, some, always = (downtimes(permille) for permille in (0, 500, 1000))
    assert len(set(never)) == len(set(always)) == 1
    assert always[0] == never[0] + 41
    assert set(some) == {never[0], always[0]}
    assert 18 <= some.count(always[0]) <= 42
    assert downtimes(500) == some
    assert downtimes(1000, capabilities=[]) == downtimes(0, capabilities=[])


def test_other_draws_do_not_move() -> None:
    """A component of its own stream: the profile's other costs are drawn as before."""
    host = HostProfile.load()
    more = dataclasses.replace(
        host.noise, held_segment_permille=999, held_segment_ns=(40_000_000, 47_000_000)
    )
    for replicate in range(5):
        one = host.noise.perturbed(host, 7, replicate)
        two = more.perturbed(host, 7, replicate)
        assert 40_000_000 <= two.landing.held_segment_ns <= 47_000_000
        assert dataclasses.replace(two, landing=host.landing) == one


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"held_segment_permille": 1001, "held_segment_ns": (1,)}, "held_segment_permille 1001"),
        ({"held_segment_permille": 5}, "above 0 with held_segment_ns"),
        ({"held_segment_permille": -1}, "held_segment_permille -1 · allowed whole numbers"),
        ({"held_segment_ns": (2, 1)}, "held_segment_ns (2, 1) · allowed sorted"),
    ],
)
def test_refused_in_one_line(values: dict[str, Any], line: str) -> None:
    with pytest.raises(HostProfileError) as caught:
        Noise(**values)
    assert line in str(caught.value)


def test_the_captures_do_not_show_it() -> None:
    """None of their precopy runs has a return path: the shipped profile leaves it out."""
    host = HostProfile.load()
    assert (host.landing.held_segment_ns, host.noise.held_segment_permille) == (0, 0)
