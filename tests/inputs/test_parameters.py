"""Parameters: QEMU's defaults and ranges, both ways, refused by name."""

import json
import re

import numpy as np
import pytest
from hypothesis import given

from inputs.strategies import ARGUMENTS
from migkit.errors import InputError
from migkit.parameters import PARAMETERS, MigrationParameters

NUMBERS = [info for info in PARAMETERS.values() if info.low is not None]


@given(ARGUMENTS)
def test_roundtrip_qmp(arguments):
    parameters = MigrationParameters.from_qmp(arguments)
    assert MigrationParameters.from_qmp(parameters.to_qmp()) == parameters
    assert MigrationParameters.from_qmp(parameters.to_qmp(changed_only=True)) == parameters
    assert arguments.items() <= parameters.to_qmp().items()


@pytest.mark.parametrize("info", NUMBERS, ids=lambda info: info.qmp)
def test_range_ends_are_accepted_and_one_beyond_is_refused(info):
    assert info.check(info.low) == info.low
    assert info.check(info.high) == info.high
    for value in (info.low - 1, info.high + 1):
        with pytest.raises(InputError, match=re.escape(f"{info.qmp} {value} · allowed")):
            MigrationParameters.from_qmp({info.qmp: value})


def test_defaults_are_those_of_a_real_qemu(capture_folder):
    found = json.loads((capture_folder("idle") / "result.json").read_text())["all_parameters"]
    asked = json.loads((capture_folder("idle") / "scenario.json").read_text())["parameters"]
    ours = MigrationParameters.from_qmp(asked).to_qmp()
    assert {name: ours[name] for name in found} == found
    assert set(ours) - set(found) == {"block-bitmap-mapping"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"downtime-limit": 2000001}, "downtime-limit 2000001 · allowed 0..2000000 ms"),
        ({"max-bandwidth": -1}, "max-bandwidth -1 · allowed 0.."),
        ({"max-bandwith": 1}, "did you mean max-bandwidth?"),
        ({"downtime-limit": True}, "downtime-limit True"),
        ({"downtime-limit": "300ms"}, "downtime-limit '300ms'"),
        ({"downtime-limit": 1.5}, "downtime-limit 1.5"),
        ({"multifd-compression": "lz4"}, "allowed one of none, zlib"),
        ({"direct-io": 1}, "direct-io 1 · allowed true or false"),
        ({"tls-creds": 7}, "tls-creds 7 · allowed text"),
        ({"cpr-exec-command": "ls"}, "allowed a list"),
        ({"xbzrle-cache-size": 5000}, "a power of two, 4096 B or more · give 8192"),
        ({"max-cpu-throttle": 10}, "allowed 20..99"),
        ({"mode": "cpr-exec"}, "cpr-exec-command is empty"),
    ],
)
def test_refused_by_name_range_and_fix(arguments, line):
    with pytest.raises(InputError, match=re.escape(line)) as caught:
        MigrationParameters.from_qmp(arguments)
    assert str(caught.value).count(" · ") == 2
    assert "\n" not in str(caught.value)


def test_replace_takes_field_names_only():
    parameters = MigrationParameters(downtime_limit_ms=np.int64(20))
    assert type(parameters.downtime_limit_ms) is int
    assert parameters.replace(downtime_limit_ms=7).downtime_limit_ms == 7
    with pytest.raises(InputError, match="did you mean downtime_limit_ms"):
        parameters.replace(downtime_limit=7)


def test_every_parameter_says_its_effect():
    assert all(info.effect and info.accepted for info in PARAMETERS.values())
    assert len({info.field for info in PARAMETERS.values()}) == len(PARAMETERS)
