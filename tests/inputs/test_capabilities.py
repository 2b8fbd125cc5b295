"""Capabilities: QEMU's names, its refusals, and what the engine does not model."""

import json
import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit.errors import InputError, ScenarioError
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import CAPABILITIES, SIMULATED, Capabilities, version_numbers

DEFAULTS = MigrationParameters()


@given(st.sets(st.sampled_from(CAPABILITIES)))
def test_roundtrip_qmp_and_set_behaviour(names):
    on = Capabilities(names)
    assert Capabilities.from_qmp(on.to_qmp()) == on
    assert set(on) == names
    assert len(on) == len(names)
    assert list(on) == [name for name in CAPABILITIES if name in names]
    assert set(on.not_simulated()) == names - SIMULATED
    assert hash(on) == hash(Capabilities(sorted(names)))


def test_names_are_those_of_a_real_qemu(capture_folder):
    result = json.loads((capture_folder("idle") / "result.json").read_text())
    assert set(CAPABILITIES) == set(result["all_capabilities"])
    assert len(Capabilities.from_qmp(result["all_capabilities"])) == 0


def refused_pairs(version):
    pairs = set()
    for pair in combinations(CAPABILITIES, 2):
        try:
            Capabilities(pair).check(DEFAULTS, version)
        except ScenarioError as error:
            if "together" in str(error):
                pairs.add(frozenset(pair))
    return pairs


def test_multifd_with_postcopy_is_the_difference_of_10_1():
    old, new = refused_pairs("10.0.13"), refused_pairs("10.2.2")
    assert old - new == {frozenset({"multifd", "postcopy-ram"})}
    assert new < old
    assert len(new) == 6 + 14


@pytest.mark.parametrize(
    ("names", "needed"),
    [
        (["postcopy-preempt"], "postcopy-ram"),
        (["switchover-ack"], "return-path"),
        (["zero-copy-send"], "multifd"),
    ],
)
def test_missing_requirement_is_named(names, needed):
    with pytest.raises(ScenarioError, match=f"needs {needed}, which is off · add {needed}"):
        Capabilities(names).check(DEFAULTS)
    Capabilities([*names, needed]).check(DEFAULTS)


def test_zero_copy_refuses_compression():
    with pytest.raises(ScenarioError, match="multifd-compression is zstd"):
        Capabilities(["multifd", "zero-copy-send"]).check(
            MigrationParameters(multifd_compression="zstd")
        )


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Capabilities(["postcopy"]), "capability postcopy · not a migration capability"),
        (lambda: Capabilities("multi-fd"), "did you mean multifd?"),
        (lambda: Capabilities.from_qmp({"multifd": 1}), "capability multifd 1 · allowed true"),
        (lambda: version_numbers("ten"), "QEMU version 'ten' · allowed numbers"),
    ],
)
def test_refused_by_name_and_fix(make, line):
    with pytest.raises(InputError, match=re.escape(line)):
        make()
