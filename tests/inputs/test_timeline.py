"""Commands given while a migration runs."""

import re

import pytest

from migkit.errors import InputError
from migkit.plan import make_plan
from migkit.scenario import Scenario
from migkit.scenario.iterables import IterableHandler
from migkit.scenario.timeline import COMMANDS, TimelineItem


def test_codes_are_positions():
    assert [TimelineItem(c, at_s=0, **ARGUMENTS.get(c, {})).code for c in COMMANDS] == [*range(11)]


ARGUMENTS = {
    "migrate-set-parameters": {"arguments": {"downtime-limit": 5}},
    "link-change": {"arguments": {"bandwidth": 5}},
}


def test_arguments_are_filled_in():
    assert TimelineItem("migrate", at_s=1).arguments == {"resume": True}
    assert TimelineItem("migrate-continue", at_s=1).arguments == {"state": "pre-switchover"}
    change = TimelineItem("link-change", at_s=1, arguments={"bandwidth": "1Gbit/s"})
    assert change.arguments == {"bandwidth": 125_000_000}
    assert hash(change) == hash(TimelineItem("link-change", at_s=1, arguments={"bandwidth": 0}))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"command": "migrate-cancel", "at_s": 1}, "did you mean migrate_cancel?"),
        ({"command": "cut"}, "no moment given · allowed exactly one of at_s, at_state, at_event"),
        ({"command": "cut", "at_s": 1, "at_state": "active"}, "at_s and at_state given"),
        ({"command": "cut", "at_s": -1}, "at_s -1 · allowed 0..1000000000 s"),
        ({"command": "cut", "at_s": float("nan")}, "at_s nan"),
        ({"command": "cut", "at_s": "3s"}, "at_s '3s'"),
        ({"command": "cut", "at_s": 1, "after_s": 1}, "after_s 1.0 · allowed only with at_event"),
        ({"command": "cut", "at_state": "actve"}, "did you mean active?"),
        ({"command": "cut", "at_event": "postcopy"}, "at_event 'postcopy' · not known"),
        ({"command": "cut", "at_s": 1, "side": "both"}, "side 'both' · allowed source or dest"),
        ({"command": "cut", "at_s": 1, "arguments": {"a": 1}}, "argument a · it takes none"),
        ({"command": "cut", "at_s": 1, "arguments": 7}, "arguments 7 · not a table"),
        ({"command": "migrate-set-parameters", "at_s": 1}, "no arguments · nothing to set"),
        (
            {"command": "migrate-set-parameters", "at_s": 1, "arguments": {"downtime-limit": -3}},
            "downtime-limit -3 · allowed 0..2000000 ms",
        ),
        (
            {"command": "migrate-continue", "at_s": 1, "arguments": {"state": "active"}},
            "allowed state, one of pre-switchover, device",
        ),
        (
            {"command": "migrate", "at_s": 1, "arguments": {"resume": False}},
            "allowed resume: true",
        ),
        ({"command": "link-change", "at_s": 1}, "nothing to change"),
        (
            {"command": "link-change", "at_s": 1, "arguments": {"windo": 1}},
            "windo · unknown · did you mean window?",
        ),
        (
            {"command": "link-change", "at_s": 1, "arguments": {"window": 1}},
            "argument window_bytes · it cannot change",
        ),
        (
            {"command": "link-change", "at_s": 1, "arguments": {"bandwidth": -1}},
            "bandwidth -1 · negative",
        ),
    ],
)
def test_refused_in_one_line(values, line):
    with pytest.raises(InputError, match=re.escape(line)) as caught:
        TimelineItem(**values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (("", 1), "iterable handler '' · allowed 1..255 bytes"),
        (("ram", 1), "iterable handler ram · RAM is always there"),
        (("a", -1), "initial_bytes -1 · allowed whole numbers, 0 or more"),
        (("a", 1, 0), "chunk_bytes 0 · allowed 1 or more"),
        (("a", 1, 1, False, 0.5), "byte_ps 0.5"),
    ],
)
def test_bad_handlers_are_refused(values, line):
    with pytest.raises(InputError, match=re.escape(line)):
        IterableHandler(*values)


def changed(*arguments, **values):
    """A scenario with commands a second apart, the last one given first."""
    timeline = [
        {"command": "migrate-set-parameters", "at_s": second, "arguments": changes}
        for second, changes in enumerate(arguments)
    ]
    return Scenario.build(memory="64MiB", timeline=timeline[::-1], **values)


LOWER_INITIAL = {"cpu-throttle-initial": 10}
LOWER_MAXIMUM = {"max-cpu-throttle": 15}


def test_each_command_is_checked_against_what_those_before_it_left():
    plan = make_plan(changed(LOWER_INITIAL, LOWER_MAXIMUM))
    assert [item["arguments"] for item in plan.timeline] == [LOWER_INITIAL, LOWER_MAXIMUM]
    with pytest.raises(InputError, match=re.escape("max-cpu-throttle 15 · allowed 20..99")):
        changed(LOWER_MAXIMUM, LOWER_INITIAL)


def test_what_has_no_effect_any_more_is_taken_and_left_out_of_the_plan():
    plan = make_plan(
        changed(
            {"multifd-channels": 9, "announce-max": 1, "zero-page-detection": "legacy"},
            {"max-bandwidth": 2**64 - 1, "cpu-throttle-tailslow": True},
        )
    )
    assert [item["arguments"] for item in plan.timeline] == [
        {"zero-page-detection": 1},
        {"max-bandwidth": 2**63 - 1, "cpu-throttle-tailslow": 1},
    ]
    with pytest.raises(InputError, match=re.escape("multifd-channels 300 · allowed 1..255")):
        changed({"multifd-channels": 300})


@pytest.mark.parametrize("value", [{"multifd-compression": "zlib"}, {"tls-creds": "tls0"}])
def test_pages_that_go_out_as_they_are_cannot_be_packed_in_flight(value):
    with pytest.raises(InputError, match="capability zero-copy-send · "):
        changed(value, capabilities=["multifd", "zero-copy-send"])
    mapped = {"capabilities": ["mapped-ram"], "transport": "file"}
    changed(value, **mapped)  # QEMU looks at what is in force
    with pytest.raises(InputError, match="capability mapped-ram · "):
        changed(value, LOWER_INITIAL, **mapped)
