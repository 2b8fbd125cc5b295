"""Host profiles and links: one JSON file a machine, every field checked."""

import json
import re

import pytest
from hypothesis import given

from inputs.strategies import HOSTS
from migkit.errors import MigkitError
from migkit.host import HostProfile, MachineProfile, host_names
from migkit.network.link import Link


def changed(**fields):
    return {**HostProfile.load().to_dict(), **fields}


@given(HOSTS)
def test_roundtrip_json(host):
    assert HostProfile.from_dict(json.loads(json.dumps(host.to_dict()))) == host


@pytest.mark.parametrize("name", host_names())
def test_shipped_profiles_say_what_they_were_fitted_on(name):
    host = HostProfile.load(name)
    assert host.name == name
    assert host.fitted_on
    assert host.method


def test_a_profile_of_ones_own(tmp_path):
    path = tmp_path / "fast.json"
    path.write_text(json.dumps(changed(name="fast", normal_page_ns=100)))
    assert HostProfile.load(path).normal_page_ns == 100
    assert HostProfile.load(str(path)).name == "fast"
    path.write_text("{")
    with pytest.raises(MigkitError, match="not a profile"):
        HostProfile.load(path)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: HostProfile.load("capture"), "did you mean captures?"),
        (lambda: HostProfile.from_dict(changed(normal_page_ns=-1)), "normal_page_ns -1 · allowed"),
        (lambda: HostProfile.from_dict(changed(normal_page_ns=1.5)), "normal_page_ns 1.5"),
        (lambda: HostProfile.from_dict(changed(setup_ns=True)), "setup_ns True"),
        (lambda: HostProfile.from_dict(changed(page_ns=1)), "host profile: page_ns · unknown"),
        (lambda: HostProfile.from_dict(changed(machine=3)), "machine 3 · not a table"),
        (lambda: HostProfile.from_dict(changed(machine={})), "machine: machine_name · missing"),
        (lambda: Link(bandwidth_bytes_per_s=-1), "link: bandwidth_bytes_per_s -1 · allowed"),
        (lambda: MachineProfile("pc", -1, 0), "machine: device_state_bytes -1"),
        (lambda: MachineProfile("pc", 1, 0, -1), "machine: early_device_state_bytes -1"),
    ],
)
def test_refused_in_one_line(make, line):
    with pytest.raises(MigkitError, match=re.escape(line)):
        make()
