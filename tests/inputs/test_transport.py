"""Transports, runstates and what QEMU refuses about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from migkit.errors import InputError
from migkit.guest import Guest
from migkit.guest.memory import MAX_RAM_BLOCKS
from migkit.guest.ram_block import RamBlock
from migkit.host import HostProfile
from migkit.plan import make_plan
from migkit.scenario import Scenario
from migkit.scenario.checks import MAX_ITERABLES
from migkit.scenario.iterables import IterableHandler


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"transport": "ftp"}, "did you mean|use one of"),
        ({"transport": "file,size=4"}, "offset=SIZE"),
        ({"transport": "exec,offset=4096"}, "only a file has an offset"),
        ({"runstate": "postmigrate"}, "QEMU migrates in no other"),
        ({"transport": "file", "capabilities": ["return-path"]}, "Bad file descriptor"),
        ({"transport": "exec", "postcopy_at": "1s"}, "nothing answers"),
        ({"capabilities": ["mapped-ram"]}, "seekable transport"),
        ({"transport": "exec", "capabilities": ["mapped-ram"]}, "seekable transport"),
        ({"transport": "file", "capabilities": ["multifd"]}, "multi-channel URIs"),
        (
            {
                "transport": "file",
                "memory_shared": True,
                "capabilities": ["mapped-ram", "x-ignore-shared"],
            },
            "Failed to write bitmap",
        ),
    ],
)
def test_what_qemu_refuses_is_refused_before_any_work(values: dict[str, Any], said: str) -> None:
    """Each complaint says what QEMU says, or would end with."""
    with pytest.raises(InputError, match=said):
        Scenario.build(memory="16MiB", **values)


def test_more_blocks_or_handlers_than_fit_are_refused() -> None:
    """As many as the engine holds are taken; one more is an error of the input."""
    blocks = [RamBlock(f"b{index}", 4096) for index in range(MAX_RAM_BLOCKS + 1)]
    with pytest.raises(InputError, match=f"at most {MAX_RAM_BLOCKS}"):
        Guest(4096, blocks)
    handlers = [IterableHandler(f"h{index}", 1) for index in range(MAX_ITERABLES + 1)]
    with pytest.raises(InputError, match=f"at most {MAX_ITERABLES}"):
        Scenario(Guest(4096, blocks[:1]), iterables=handlers)

    from migkit import _engine

    most = Scenario(Guest(4096, blocks[:-1]), iterables=handlers[:-1])
    assert _engine.run(make_plan(most))["outcome"] == "completed"


def test_a_scenario_with_a_file_comes_back_from_its_file(tmp_path: Path) -> None:
    """Transport, runstate, shared memory and disk survive a round trip."""
    scenario = Scenario.build(
        memory="16MiB",
        transport="file,offset=1MiB",
        runstate="paused",
        memory_shared=True,
        disk_bandwidth="500MB/s",
        disk_cache="1GiB",
        capabilities=["x-ignore-shared"],
    )
    assert scenario.transport.offset_bytes == 1 << 20
    assert scenario.host.storage.bandwidth_bytes_per_s == 500_000_000
    assert scenario.guest.ram_blocks[0].shared
    scenario.save(tmp_path / "s.json")
    assert Scenario.from_file(tmp_path / "s.json") == scenario


def test_profiles_from_before_have_the_default_costs() -> None:
    """A file without storage, snapshot and release loads; wrong costs in it are named."""
    values = HostProfile.load().to_dict()
    for name in ("storage", "snapshot", "release"):
        del values[name]
    assert HostProfile.from_dict(json.loads(json.dumps(values))) == HostProfile.load()
    with pytest.raises(InputError, match="storage: disk"):
        HostProfile.from_dict({**values, "storage": {"disk": 1}})
