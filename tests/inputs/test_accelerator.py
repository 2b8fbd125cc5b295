"""Accelerators: as people write them, and what is refused before any work starts."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inputs.strategies import accelerators
from migkit.errors import HostProfileError, InputError, WorkloadError
from migkit.guest.accelerator import parse_accelerator
from migkit.host import HostProfile
from migkit.host.logging_costs import LoggingCosts
from migkit.plan import make_plan
from migkit.scenario import Scenario
from migkit.workloads.recorded import Callback


@given(accelerators)
def test_written_and_read_again(accelerator):
    assert parse_accelerator(accelerator.text) == accelerator


def test_how_each_logs():
    modes = {
        "tcg": "tcg",
        "kvm": "manual-protect",
        "kvm,manual-protect=off": "get-and-clear",
        "kvm, dirty-ring-size=65536": "dirty-ring",
        "kvm,dirty-ring-size=1024,manual-protect=off": "dirty-ring",
    }
    assert {text: parse_accelerator(text).log_mode for text in modes} == modes


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("xen", "accelerator 'xen' · allowed tcg or kvm"),
        ("kmv", "did you mean kvm"),
        ("kvm,dirty-ring=4096", "dirty-ring · not known · did you mean dirty-ring-size"),
        (
            "kvm,dirty-ring-size=1000",
            "dirty-ring-size 1000 · allowed 0, or a power of two in 1024",
        ),
        ("kvm,dirty-ring-size=512", "dirty-ring-size 512"),
        ("kvm,dirty-ring-size=131072", "dirty-ring-size 131072"),
        ("kvm,dirty-ring-size=4k", "dirty-ring-size '4k'"),
        ("tcg,dirty-ring-size=4096", "only KVM has a dirty ring · write kvm,dirty-ring-size=4096"),
        ("kvm,x-clear-bitmap-shift=5", "x-clear-bitmap-shift 5 · allowed 6..31"),
        ("kvm,x-clear-bitmap-shift=32", "x-clear-bitmap-shift 32 · allowed 6..31"),
        ("kvm,manual-protect=yes", "manual_protect 'yes' · allowed on or off"),
        (None, "accelerator None · not text"),
    ],
)
def test_refused_in_one_line(text, line):
    with pytest.raises(InputError, match=re.escape(line)):
        parse_accelerator(text)


@pytest.mark.parametrize("text", ["tcg", "kvm", "kvm,manual-protect=off"])
def test_dirty_limit_needs_a_ring(text):
    with pytest.raises(InputError, match=r"dirty-limit · it needs a dirty ring.*size=4096"):
        Scenario.build(accelerator=text, capabilities=["dirty-limit"])
    Scenario.build(accelerator="kvm,dirty-ring-size=4096", capabilities=["dirty-limit"])


def test_a_callback_has_one_vcpu_where_writes_are_shared():
    spec = Callback(function=lambda from_ns, to_ns: [], rate_pages_per_s=0)
    for values in ({"accelerator": "kvm,dirty-ring-size=1024"},
                   {"capabilities": ["auto-converge"]}):  # fmt: skip
        make_plan(Scenario.build(memory="1MiB", workload=spec, vcpus=1, **values))
        with pytest.raises(WorkloadError, match="vCPUs"):
            make_plan(Scenario.build(memory="1MiB", workload=spec, vcpus=2, **values))


@given(st.sampled_from([field.name for field in dataclasses.fields(LoggingCosts)]))
def test_costs_are_whole_and_not_negative(name):
    for value in (-1, 1.5, "1", True):
        with pytest.raises(HostProfileError, match=name):
            LoggingCosts(**{name: value})


def test_a_ring_has_room_left():
    with pytest.raises(HostProfileError, match=r"ring_reserved_entries 1024 · allowed 0..1023"):
        LoggingCosts(ring_reserved_entries=1024)


def test_old_host_profiles_have_the_usual_costs():
    values = HostProfile.load().to_dict()
    del values["dirty_logging"]
    assert HostProfile.from_dict(values).dirty_logging == LoggingCosts()
    values["dirty_logging"] = {"kvm_write_ns": 5}
    assert HostProfile.from_dict(values).dirty_logging.kvm_write_ns == 5
