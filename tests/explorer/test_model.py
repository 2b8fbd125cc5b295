"""The explorer's logic: values that hold, runs that are kept, and a verdict in words."""

import subprocess
import sys
from dataclasses import replace

import pytest

from migkit.errors import InputError, NotSimulatedError
from migkit.explorer import ExplorerModel, Settings
from migkit.explorer.numbers import Limits, Number
from migkit.explorer.settings import CAPABILITIES
from migkit.explorer.verdict import two_digits_up

SMALL = Settings(
    memory="32MiB", bandwidth_bytes_per_s=16 << 20, workload="uniform:1000,pages=8000"
)
ENDLESS = SMALL.changed(workload="uniform:20000,pages=8000", downtime_limit_ms=20)


def test_neither_widgets_nor_pictures_are_loaded() -> None:
    code = (
        "import sys; from migkit.explorer import ExplorerModel; ExplorerModel();"
        "print([name for name in ('ipywidgets', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_change_is_told_to_listeners_once() -> None:
    model = ExplorerModel(SMALL)
    heard = []
    model.observe(lambda changed: heard.append(changed.settings.downtime_limit_ms))
    model.change(downtime_limit_ms=100)
    model.change(downtime_limit_ms=100)
    assert heard == [100]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"downtime_limit_ms": 2000001}, "2000001"),
        ({"downtime_limit_ms": -1}, "-1"),
        ({"bandwidth_bytes_per_s": 0}, "bandwidth 0 bytes/s"),
        ({"bandwidth_bytes_per_s": float("nan")}, "bandwidth nan"),
        ({"workload": "unifrm:3"}, "did you mean uniform"),
        ({"memory": "0MiB"}, "memory"),
        ({"rule": "afterwards"}, "did you mean after"),
        ({"downtime": 3}, "did you mean downtime_limit_ms"),
        ({"postcopy_at_s": -1.0}, "-1"),
    ],
)
def test_a_bad_value_is_one_line_and_keeps_the_old_ones(
    values: dict[str, object], message: str
) -> None:
    model = ExplorerModel(SMALL)
    heard: list[ExplorerModel] = []
    model.observe(heard.append)
    with pytest.raises(InputError, match=message) as caught:
        model.change(**{"memory": "64MiB", **values})
    assert "\n" not in str(caught.value)
    assert model.settings == SMALL
    assert heard == []


def test_a_run_is_simulated_once() -> None:
    model = ExplorerModel(SMALL)
    first = model.result
    model.change(downtime_limit_ms=200)
    model.change(downtime_limit_ms=SMALL.downtime_limit_ms)
    assert model.result is first


def test_what_is_pinned_stays_when_the_settings_move() -> None:
    model = ExplorerModel(SMALL)
    pinned = model.result
    model.pin()
    model.change(downtime_limit_ms=100)
    assert model.pinned == SMALL
    assert model.pinned_result is pinned
    assert model.result is not pinned
    model.unpin()
    assert model.pinned_result is None


def test_the_scenario_is_what_was_set() -> None:
    scenario = SMALL.changed(postcopy_at_s=2.0, rule="before").scenario()
    assert scenario.parameters.max_bandwidth_bytes_per_s == 16 << 20
    assert scenario.parameters.downtime_limit_ms == 300
    assert scenario.completion_rule == "before"
    assert "postcopy-ram" in scenario.capabilities
    assert [item.at_s for item in scenario.timeline] == [2.0]


def test_preempt_without_postcopy_is_left_out() -> None:
    settings = replace(SMALL, capabilities=("postcopy-preempt",))
    assert "postcopy-preempt" not in settings.scenario().capabilities
    later = replace(settings, postcopy_at_s=1.0)
    assert "postcopy-preempt" in later.scenario().capabilities


def test_a_capability_that_is_not_modelled_is_refused_by_name() -> None:
    model = ExplorerModel(SMALL)
    with pytest.raises(NotSimulatedError, match="x-colo"):
        model.change(capabilities=("x-colo",))
    assert model.settings == SMALL


def test_only_what_is_modelled_is_offered() -> None:
    for name in CAPABILITIES:
        SMALL.changed(capabilities=(name,), postcopy_at_s=1.0)
    assert "auto-converge" in CAPABILITIES


def test_a_converging_run_is_said_with_its_numbers() -> None:
    model = ExplorerModel(SMALL)
    summary = model.result.summary
    sentence = model.verdict()
    assert sentence.startswith("Converges: complete after ")
    assert f"{summary['ram']['dirty-sync-count']} syncs" in sentence
    assert f"{summary['downtime']:,} ms of downtime, within the limit of 300 ms" in sentence


def test_the_limit_that_is_named_for_an_endless_run_is_enough() -> None:
    model = ExplorerModel(ENDLESS)
    assert model.result.outcome == "active"
    sentence = model.verdict()
    enough = model.enough_limit_ms()
    assert enough is not None
    assert enough > ENDLESS.downtime_limit_ms
    assert sentence.startswith("Does not converge: ")
    assert sentence.endswith(f"a limit of {enough:,} ms would do.")
    model.change(downtime_limit_ms=enough)
    assert model.verdict().startswith("Converges: ")


def test_a_run_that_converges_needs_no_other_limit() -> None:
    assert ExplorerModel(SMALL).enough_limit_ms() == SMALL.downtime_limit_ms


@pytest.mark.parametrize(
    ("rule", "said"),
    [("before", "went inside save_complete"), ("after", "nothing was left for save_complete")],
)
def test_postcopy_is_said_with_what_was_left(rule: str, said: str) -> None:
    large = SMALL.changed(memory="256MiB", workload="uniform:1000,pages=60000")
    model = ExplorerModel(large.changed(postcopy_at_s=1.0, rule=rule))
    assert model.verdict().startswith("Ends by postcopy: the VM moved after 1.")
    assert said in model.verdict()


def test_the_four_numbers_of_a_run() -> None:
    numbers = ExplorerModel(SMALL).numbers()
    assert [number.name for number in numbers] == ["total time", "downtime", "sent", "syncs"]
    assert [number.unit for number in numbers] == ["s", "ms", "MiB", ""]
    assert not any(number.broken for number in numbers)


def test_a_run_without_an_end_breaks_its_limits() -> None:
    numbers = {number.name: number for number in ExplorerModel(ENDLESS).numbers()}
    assert numbers["downtime"].broken
    assert numbers["downtime"].text() == "never"
    assert numbers["sent"].broken


def test_limits_can_be_set() -> None:
    tight = ExplorerModel(SMALL, limits=Limits(total_time_s=0.1, memory_sent_times=0.1, syncs=1))
    broken = {number.name for number in tight.numbers() if number.broken}
    assert broken == {"total time", "sent", "syncs"}


def test_numbers_are_written_as_people_write_them() -> None:
    assert Number("total time", 1234.56, "s", 1).text() == "1,234.6 s"
    assert Number("syncs", 7.0, "", 1).text() == "7"
    assert [two_digits_up(value) for value in (1, 99, 101, 1000, 1001)] == [1, 99, 110, 1000, 1100]
