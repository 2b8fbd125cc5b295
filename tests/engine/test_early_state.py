"""Devices with early_setup, by hand: their sections stand before RAM's."""

from __future__ import annotations

import dataclasses

import numpy as np

from migkit.host import MachineProfile
from migkit.plan import make_plan
from migkit.scenario import Scenario
from migkit.schema import EVENT_CODES
from tests.engine.test_files import NONE, one_block, scenario, setup_bytes
from tests.engine.test_golden_bytes import ENGINES, Run, bare_machine

EARLY_BYTES = 300  # two virtio-mem devices, say: headers, state and footers


@ENGINES
def test_early_state_counts_in_the_first_window_and_nowhere_else(run: Run) -> None:
    """2101330 bytes of the golden run's first window are 300 more; what follows is the same."""
    plain = run(bare_machine())
    early = run(bare_machine(early_device_state_bytes=EARLY_BYTES))
    windows = early["windows"]["transferred_bytes"]
    assert windows[0] == 2101330 + EARLY_BYTES
    assert set(windows[1:].tolist()) == {2101266}
    for name in ("precopy_bytes", "downtime_bytes", "normal_pages", "downtime_ms"):
        assert early["counters"][name] == plain["counters"][name]
    before, after = (r["counters"]["transferred_bytes"] for r in (plain, early))
    assert after == before + EARLY_BYTES
    np.testing.assert_array_equal(plain["events"][:, 1], early["events"][:, 1])


@ENGINES
def test_early_state_lies_before_the_blocks_in_a_file(run: Run) -> None:
    """62 bytes of setup become 362, and so much longer is a file without pages of its own.

    With mapped-ram the pages lie where they lay, on 1 MiB: the early state stands before them.
    """
    machine = dataclasses.replace(NONE, early_device_state_bytes=EARLY_BYTES)
    guest = one_block("ram", 0)
    plain, early = (run(make_plan(scenario(which, guest))) for which in (NONE, machine))
    assert (setup_bytes(plain), setup_bytes(early)) == (62, 62 + EARLY_BYTES)
    assert early["counters"]["file_bytes"] == plain["counters"]["file_bytes"] + EARLY_BYTES
    placed = {"capabilities": ["mapped-ram"]}
    plain, early = (run(make_plan(scenario(which, guest, **placed))) for which in (NONE, machine))
    assert setup_bytes(early) == setup_bytes(plain) + EARLY_BYTES
    assert early["counters"]["file_bytes"] == plain["counters"]["file_bytes"]


@ENGINES
def test_a_large_early_state_is_written_before_setup_ends(run: Run) -> None:
    """100,000 bytes fill the 32 KiB buffer three times: those writes cost setup their time."""
    host = dataclasses.replace(bare_machine().host, write_ns=1_000)
    done = []
    for count in (0, 100_000):
        events = run(bare_machine(early_device_state_bytes=count, host=host))["events"]
        is_done = events[:, 1] == EVENT_CODES["migration_thread_setup_complete"]
        done.append(int(events[is_done][0, 0]))
    assert done[1] - done[0] == 3 * 1_000


def test_profiles_say_how_much_it_is_and_old_ones_say_none() -> None:
    built = Scenario.build(memory="64MiB")
    assert make_plan(built).early_device_state_bytes == 0
    values = built.to_dict()
    values["host"]["machine"]["early_device_state_bytes"] = EARLY_BYTES
    read = Scenario.from_dict(values)
    assert make_plan(read).early_device_state_bytes == EARLY_BYTES
    assert Scenario.from_dict(read.to_dict()) == read
    assert MachineProfile("pc", 1, 0).early_device_state_bytes == 0
