"""Cancels, failures and what the two sides answer: states, run states, who goes on."""

import itertools

import numpy as np
import pytest

from migkit import _engine, oracle
from migkit._engine import commands as compiled
from migkit.oracle import commands as plain
from migkit.oracle.codes import Command, Reply, State
from migkit.plan import make_plan
from migkit.scenario import Scenario
from migkit.schema import COMMANDS, REPLIES, RUN_STATES, STATES
from tests.engine.test_oracle_equality import assert_equal_recordings

POSTCOPY = ("postcopy-device", "postcopy-active", "postcopy-paused", "postcopy-recover-setup",
            "postcopy-recover")  # fmt: skip
ENDED = ("none", "cancelled", "failed", "completed", "cancelling")


def run(*timeline, **values):
    """Run a small guest, compiled and as specified; both must agree."""
    built = {
        "memory": "16MiB",
        "nonzero_percent": 50,
        "bandwidth": "4MiB/s",
        "workload": "uniform:400,pages=1000",
        "observe_for": "20s",
        "timeline": timeline,
        **values,
    }
    plan = make_plan(Scenario.build(**built))
    fast = _engine.run(plan)
    assert_equal_recordings(fast, oracle.run(plan))
    return fast


def states(recording):
    """States of the source in order, and when it entered them (ms)."""
    rows = recording["events"][recording["events"][:, 1] == 0]
    return [STATES[code] for code in rows[:, 2]], rows[:, 0] / 1e6


def replies(recording):
    table = recording["commands"]
    return [REPLIES[code] for code in table["reply"]]


def ends(recording):
    return (recording["outcome"], recording["destination_state"], *recording["run_states"])


def at(command, **moment):
    return {"command": command, **moment}


WITH_SHUT = {"capabilities": ["return-path"]}
CASES = {
    # while nothing is connected: at once, and the destination still listens
    "cancel in setup": (
        [at("migrate_cancel", at="0s")], {},
        ("cancelled", "failed", "running", "exited"),
    ),
    "cancel in active": (
        [at("migrate_cancel", at="1s")], {},
        ("cancelled", "failed", "running", "exited"),
    ),
    "cancel twice": (
        [at("migrate_cancel", at="1.01s"), at("migrate_cancel", at="1.02s")], {},
        ("cancelled", "failed", "running", "exited"),
    ),
    "cancel in pre-switchover": (
        [at("migrate_cancel", at="6s")], {"capabilities": ["pause-before-switchover"]},
        ("cancelled", "failed", "running", "exited"),
    ),
    "cut in active": (
        [at("cut", at="1s")], {},
        ("failed", "failed", "running", "exited"),
    ),
    "cut in setup": (
        [at("cut", at="0s")], {},
        ("failed", "failed", "running", "exited"),
    ),
    "no connection": (
        [at("connect-failure", at="0s")], {},
        ("failed", "setup", "running", "inmigrate"),
    ),
    "destination refuses": (
        [at("destination-error", at="10ms")], {},
        ("failed", "failed", "running", "exited"),
    ),
    "destination fails to load the devices": (
        [at("destination-error", at_event="src_downtime")], WITH_SHUT, None,
    ),
    "paused for ever": (
        [], {"capabilities": ["pause-before-switchover"]},
        ("pre-switchover", "active", "finish-migrate", "inmigrate"),
    ),
    "completed": ([], {}, ("completed", "completed", "postmigrate", "running")),
    "still active": (
        [], {"observe_for": "1s"}, ("active", "active", "running", "inmigrate"),
    ),
}  # fmt: skip
del CASES["destination fails to load the devices"]


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_both_sides(name):
    timeline, values, expected = CASES[name]
    assert ends(run(*timeline, **values)) == expected


def test_a_cancel_waits_for_the_sleep_of_the_window():
    """The limiter sleeps to the window's end: cancelled 80 us after it, not at once."""
    outcome = run(at("migrate_cancel", at="1.0302s"))
    names, times = states(outcome)
    assert names[-2:] == ["cancelling", "cancelled"]
    assert times[-2] == pytest.approx(1030.2)
    ends_ms = outcome["windows"]["t_ns"][-1] / 1e6  # the window before
    assert times[-1] == pytest.approx(ends_ms + 100, abs=1)
    assert 60 < times[-1] - times[-2] < 80


def test_a_second_cancel_has_no_effect():
    given = [at("migrate_cancel", at="1.01s"), at("migrate_cancel", at="1.02s")]
    assert replies(run(*given)) == ["accepted", "no effect"]


def stops_at(**values):
    """Time of the VM stop of an undisturbed run, and of its end (s)."""
    names, times = states(run(**values))
    return times[names.index("device")] / 1e3, times[-1] / 1e3


def far(**values):
    """A return path over 40 ms, so that the wait for SHUT is long."""
    return {"link_latency": "40ms", **WITH_SHUT, **values}


def test_a_cancel_during_the_final_pass_waits_for_the_lock():
    """The source holds the lock until it waits for SHUT: then the cancel comes through."""
    stop_s, end_s = stops_at(**far())
    outcome = run(at("migrate_cancel", at=f"{stop_s + 0.0005:.6f}s"), **far())
    names, times = states(outcome)
    assert names[-3:] == ["device", "cancelling", "cancelled"]
    released = outcome["events"][outcome["events"][:, 1] == 32][0, 0] / 1e6  # waits for SHUT
    assert times[-2] == pytest.approx(released)
    assert times[-1] < end_s * 1e3


def test_without_a_return_path_a_cancel_in_device_comes_too_late():
    stop_s, _ = stops_at()
    outcome = run(at("migrate_cancel", at=f"{stop_s + 0.0005:.6f}s"))
    assert outcome["outcome"] == "completed"
    assert replies(outcome) == ["no effect"]


@pytest.mark.parametrize(
    ("locked", "version", "late", "expected"),
    [
        (False, "10.2.2", False, ("running", "running")),  # split brain
        (False, "10.2.2", True, ("running", "running")),
        (True, "10.2.2", False, ("running", "paused")),  # the source took its images back first
        (True, "10.2.2", True, ("finish-migrate", "running")),  # it cannot have them any more
        (True, "10.0.13", True, ("running", "running")),  # it does not look: split brain
    ],
)
def test_a_cancel_while_waiting_for_shut_may_split_the_brain(locked, version, late, expected):
    """The whole stream is on its way: the destination runs whatever the source does."""
    values = far(images_locked=locked, qemu_version=version)
    values["link"] = {"return-latency": "200ms"}
    stop_s, end_s = stops_at(**values)
    moment = end_s - 0.010 if late else stop_s + 0.020
    outcome = run(at("migrate_cancel", at=f"{moment:.6f}s"), **values)
    assert ends(outcome) == ("cancelled", "completed", *expected)


def test_a_link_cut_before_the_last_bytes_arrived_saves_nobody_a_restart():
    """Nobody acknowledges: the source is done, the destination never starts, the guest is lost."""
    values = {"link_latency": "40ms"}
    _, end_s = stops_at(**values)
    outcome = run(at("cut", at=f"{end_s + 0.010:.6f}s"), **values)
    assert ends(outcome) == ("completed", "failed", "postmigrate", "exited")
    acked = run(at("cut", at=f"{end_s + 0.010:.6f}s"), **far())
    assert ends(acked) == ("failed", "failed", "running", "exited")


def test_a_cut_while_waiting_for_shut_fails_the_source_only():
    values = far(link={"return-latency": "200ms"})
    _, end_s = stops_at(**values)
    outcome = run(at("cut", at=f"{end_s - 0.010:.6f}s"), **values)
    assert ends(outcome) == ("failed", "completed", "running", "running")


POSTCOPY_VALUES = {"postcopy_at": "1s", "postcopy_bandwidth": "2MiB/s", "downtime_limit": "300ms"}


def test_a_cut_in_postcopy_pauses_both_and_the_destination_runs_on():
    outcome = run(at("cut", at="2s"), **POSTCOPY_VALUES)
    assert ends(outcome) == ("postcopy-paused", "postcopy-paused", "finish-migrate", "running")


def test_a_destination_that_fails_in_postcopy_loses_the_guest():
    outcome = run(at("destination-error", at="2s"), at("migrate-recover", at="4s"),
                  at("migrate", at="4.1s"), **POSTCOPY_VALUES)  # fmt: skip
    assert ends(outcome) == ("postcopy-paused", "failed", "finish-migrate", "exited")
    recover = "Migrate recover can only be run when postcopy is paused."
    assert replies(outcome)[-2:] == [recover, "accepted"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [("10.2.2", ("finish-migrate", "running")), ("10.0.13", ("running", "running"))],
)
def test_a_cut_in_the_tail_of_the_old_rule(version, expected):
    """Locked images keep the source of 10.1 and later stopped; before, both ran."""
    cut = at("cut", at_event="ram_save_complete", after="1ms")
    values = {**POSTCOPY_VALUES, "rule": "before", "images_locked": True, "qemu_version": version,
              "link_bandwidth": "20MB/s", "downtime_limit": "2s"}  # fmt: skip
    outcome = run(cut, at("migrate", at="19s"), **values)
    assert ends(outcome) == ("failed", "postcopy-paused", *expected)
    assert replies(outcome)[-1] == "Cannot resume if there is no paused migration"


def test_a_cancel_in_postcopy_is_refused():
    outcome = run(at("migrate_cancel", at="2s"), **POSTCOPY_VALUES)
    assert outcome["outcome"] == "completed"
    assert replies(outcome) == ["accepted", "Postcopy migration in progress, cannot cancel."]


def expected_reply(command, state, asked):
    """Section by section what QEMU's documentation of the commands says."""
    accepted = {
        "migrate-continue": state == asked,
        "migrate-pause": state in ("postcopy-active", "postcopy-recover"),
        "migrate-recover": state == "postcopy-paused",
        "migrate": state == "postcopy-paused",
        "migrate_cancel": state not in POSTCOPY and state not in ENDED,
    }.get(command, True)
    if accepted:
        return Reply.ACCEPTED
    if command == "migrate_cancel":
        return Reply.CANNOT_CANCEL if state in POSTCOPY else Reply.NO_EFFECT
    return {
        "migrate-continue": Reply.NOT_EXPECTED_STATE,
        "migrate-pause": Reply.CANNOT_PAUSE,
        "migrate-recover": Reply.CANNOT_RECOVER,
        "migrate": Reply.CANNOT_RESUME,
    }[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_every_state(command):
    code = COMMANDS.index(command)
    for state, asked in itertools.product(STATES, ("pre-switchover", "device")):
        expected = expected_reply(command, state, asked)
        codes = (code, STATES.index(state), STATES.index(asked))
        assert plain.reply_to(*codes) == expected, (command, state)
        assert compiled.reply_to(*codes) == expected, (command, state)


def test_what_waits_for_the_lock():
    out_of_band = {"migrate-pause", "migrate-recover"}
    by_itself = {"link-change", "cut", "destination-error", "connect-failure"}
    for command, held in itertools.product(Command, (False, True)):
        expected = held and COMMANDS[command] not in out_of_band | by_itself
        assert plain.waits_for_lock(command, held) == expected
        assert compiled.waits_for_lock(command, held) == expected


def test_codes_are_the_schema():
    assert [state.name.lower().replace("_", "-") for state in State] == list(STATES)
    assert len(Command) == len(COMMANDS)
    assert len(Reply) == len(REPLIES)
    assert len(oracle.codes.RunState) == len(RUN_STATES)


def test_a_command_is_recorded_when_it_acts():
    outcome = run(at("migrate-set-parameters", at="1s", arguments={"downtime-limit": 5}))
    np.testing.assert_array_equal(outcome["commands"]["t_ns"], [1_000_000_000])
