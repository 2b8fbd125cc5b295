"""Noise of the host: the draws by hand, what they may change, and what comes of many runs."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit import _engine, datasets
from migkit.errors import HostProfileError, InputError
from migkit.host import HostProfile
from migkit.host.noise import Noise, between
from migkit.oracle.draws import counter
from migkit.plan import make_plan
from migkit.plan.draw import drawn
from migkit.results.replicates import Replicates
from migkit.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.simulate import simulate
from migkit.validate import Comparison, Validation, compare_capture, validation_table
from migkit.validate.observed import Observed
from migkit.validate.twin import Prediction

LATE = Noise(limiter_late_ns=((2_000_000,),))


def scenario(noise: Noise) -> Scenario:
    """A guest of 24 MiB at 16 MiB/s whose host has this noise."""
    built = Scenario.build(
        memory="24MiB", workload="uniform:500", bandwidth="8MiB/s", observe_for="5s", rule="after"
    )
    return dataclasses.replace(built, host=dataclasses.replace(built.host, noise=noise))


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=9), st.integers(0, 2**64 - 1))
def test_a_draw_lies_between_the_ends_and_follows_its_number(values: list[int], bits: int) -> None:
    values.sort()
    drawn = between(tuple(values), bits)
    assert values[0] <= drawn <= values[-1]
    assert between(tuple(values), bits // 2) <= drawn
    assert between(tuple(values), 0) == values[0]


def test_costs_are_drawn_by_seed_and_replicate_alone() -> None:
    host = HostProfile.load()
    first = host.noise.perturbed(host, 3, 5)
    assert first == host.noise.perturbed(host, 3, 5)
    assert first.clock_phase_ns != host.noise.perturbed(host, 3, 6).clock_phase_ns
    assert first.clock_phase_ns != host.noise.perturbed(host, 4, 5).clock_phase_ns
    changed = {n for n in vars(first) if getattr(first, n) != getattr(host, n)}
    assert changed <= {name.split(".")[0] for name in host.noise.costs}


def test_a_wake_up_takes_the_value_of_its_number() -> None:
    late = (0, 3_000_000, 7_000_000)
    noisy = scenario(Noise(limiter_late_ns=(late,)))
    key = make_plan(noisy, 1).noise_key
    windows = _engine.run(make_plan(noisy, 1))["windows"]["t_ns"]
    quiet = _engine.run(make_plan(noisy))["windows"]["t_ns"]
    drawn = [late[counter(key, n) * 3 >> 64] for n in range(4)]
    behind = [int(windows[n] - quiet[n]) for n in range(4)]
    # A wake-up's lateness adds up from window to window, but for the clock's whole milliseconds.
    for n in range(4):
        assert behind[n] == pytest.approx(sum(drawn[: n + 1]), abs=1_000_000)


def test_without_replicates_the_noise_is_not_looked_at() -> None:
    plain, noisy = simulate(scenario(Noise())), simulate(scenario(LATE))
    pd.testing.assert_frame_equal(plain.events, noisy.events)
    assert plain.counters == noisy.counters


def test_a_replicate_without_noise_is_the_run_itself() -> None:
    run, replicates = simulate(scenario(Noise())), simulate(scenario(Noise()), replicates=3)
    for number in ("total_time_ms", "precopy_bytes", "normal_pages"):
        assert replicates.frame[number].tolist() == [run.counters[number]] * 3


def test_every_wake_up_2_ms_late_makes_windows_of_102_ms() -> None:
    quiet = simulate(scenario(Noise()))
    late = simulate(scenario(LATE), replicates=1).frame.loc[0, "total_time_ms"]
    windows = len(quiet.windows)
    gained = late - quiet.counters["total_time_ms"]
    assert 2 * (windows - 1) <= gained <= 2 * (windows + 1) + 1


def test_engine_and_oracle_replicate_alike() -> None:
    noise = HostProfile.load().noise
    fast = simulate(scenario(noise), replicates=3)
    slow = simulate(scenario(noise), replicates=3, engine="oracle")
    pd.testing.assert_frame_equal(fast.frame, slow.frame)
    assert fast.frame["total_time_ms"].nunique() > 1


def test_commands_are_given_a_moment_earlier_or_later_but_mishaps_keep_their_time() -> None:
    built = Scenario.build(
        memory="24MiB",
        workload="uniform:500",
        bandwidth="8MiB/s",
        postcopy_at="1s",
        observe_for="5s",
    )
    pair = (
        TimelineItem("migrate-recover", at_s=2.0, side="dest"),
        TimelineItem("migrate", at_s=2.001, arguments={"resume": True}),
        TimelineItem("cut", at_s=1.5),
        TimelineItem("migrate-continue", at_s=3.0, arguments={"state": "pre-switchover"}),
    )
    noise = Noise(command_shift_ns=(-50_000_000, 50_000_000))
    asked = dataclasses.replace(
        built,
        timeline=(*built.timeline, *pair),
        host=dataclasses.replace(built.host, noise=noise),
    )
    for replicate in range(20):
        start, recover, resume, cut, go_on = drawn(asked, replicate).timeline
        assert 0.95 <= (start.at_s or 0) <= 1.05
        assert (resume.at_s or 0) - (recover.at_s or 0) == pytest.approx(0.001)
        assert cut.at_s == 1.5
        assert go_on.at_event == "migration_completion_vm_stop"
        assert 0 <= go_on.after_s <= 0.05
    moments = {drawn(asked, replicate).timeline[0].at_s for replicate in range(20)}
    assert min(moments) < 1.0 < max(moments)  # type: ignore[type-var, operator]


def by_hand() -> Replicates:
    """Ten runs of 100, 110, ..., 190 ms."""
    run = simulate(scenario(Noise()), replicates=1).frame
    frame = pd.concat([run.assign(replicate=n, total_time_ms=100 + 10 * n) for n in range(10)])
    return Replicates("by-hand", frame.reset_index(drop=True))


def test_quantiles_and_intervals_by_hand() -> None:
    runs = by_hand()
    assert runs.quantiles(0, 1 / 3, 1).loc["total_time_ms"].tolist() == [100, 130, 190]
    # 5 % of the way from the 1st to the 10th value is nearest to the 1st.
    assert runs.intervals(90).loc["total_time_ms", ["low", "high"]].tolist() == [100, 190]
    assert runs.intervals(50).loc["total_time_ms", ["low", "high"]].tolist() == [120, 170]
    assert "by-hand: 10 replicates, completed in 100%; total time 100 to 190 ms" in runs.sentence
    assert runs.sentence in repr(runs)
    assert "total_time_ms" in runs._repr_html_()
    copy = runs.frame
    copy["total_time_ms"] = 0
    assert runs.frame["total_time_ms"].max() == 190


def test_wrong_values_are_refused() -> None:
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(InputError, match="allowed whole numbers, 1 or more"):
            simulate(scenario(Noise()), replicates=wrong)  # type: ignore[call-overload]
    with pytest.raises(InputError, match="allowed 0 to 1"):
        by_hand().quantiles(2)
    with pytest.raises(InputError, match="allowed 0 to 100"):
        by_hand().intervals(101)
    for noise in ({"limiter_late_ns": [[-1]]}, {"command_shift_ns": [2, 1]}, {"cost": {}}):
        with pytest.raises(HostProfileError, match="noise"):
            Noise.from_dict(noise)
    with pytest.raises(HostProfileError, match="not a cost"):
        simulate(scenario(Noise(costs={"page_nss": (1,)})), replicates=1)


def test_a_profile_with_noise_survives_its_dictionary() -> None:
    host = HostProfile.load()
    assert host.noise != Noise()
    assert HostProfile.from_dict(host.to_dict()) == host
    assert Scenario.from_dict(scenario(host.noise).to_dict()).host.noise == host.noise
    hash(host.noise)


def test_coverage_counts_every_recording_of_every_interval() -> None:
    real, values = Observed(total_time_ms=100, normal_pages=7), (100, 103, 108)
    twin = Prediction(real, intervals={"total_time_ms": (99, 104), "normal_pages": (7, 7)})
    item = Comparison("c", real, {"total_time_ms": values, "normal_pages": (7, 8)}, twin)
    validation = Validation((item,))
    assert validation.summary["interval_coverage_percent"] == pytest.approx(100 * 3 / 5)
    assert item.to_dict()["total_time_ms"]["interval"] == [99, 104]
    assert item.to_dict()["downtime_ms"]["interval"] is None
    assert "60.0 %" in validation_table(validation)


def test_intervals_of_a_capture_hold_its_centre() -> None:
    folder = datasets.capture_folder("precopy-uniform-slow")
    item = compare_capture(folder, replicates=40)
    low, high = item.interval("total_time_ms") or (0, 0)
    assert low <= (item.real_median("total_time_ms") or 0) <= high
    assert Validation((item,)).summary["interval_coverage_percent"] > 50
    assert compare_capture(folder).to_dict()["total_time_ms"].keys().isdisjoint({"interval"})
