"""What a lab run writes is read again as what was run."""

import dataclasses
import gzip
import json
from pathlib import Path

import pytest

from migkit.capture import read_capture
from migkit.lab.capture_files import scenario_dict, write_capture
from migkit.lab.guest_words import fit_guest
from migkit.lab.pair import Observed
from migkit.lab.qemus import Qemu
from migkit.lab.replies import read_blocks
from migkit.scenario import Scenario

CAPTURES = Path(__file__).resolve().parents[2] / "datasets" / "captures"
QEMU = Qemu(("qemu",), (11, 1, 3), "given", Path("qemu"))
BLOCKS = """
              Block Name    PSize              Offset               Used              Total
                  pc.ram    4 KiB  0x0000000000000000 0x0000000004000000 0x0000000004000000
    /rom@etc/acpi/tables    4 KiB  0x0000000004080000 0x0000000000020000 0x0000000000200000
                 pc.bios    4 KiB  0x0000000004000000 0x0000000000040000 0x0000000000040000
                  pc.rom    4 KiB  0x0000000004040000 0x0000000000020000 0x0000000000020000
   /rom@etc/table-loader    4 KiB  0x0000000004280000 0x0000000000001000 0x0000000000010000
      /rom@etc/acpi/rsdp    4 KiB  0x00000000042c0000 0x0000000000001000 0x0000000000001000
"""


def observed(**more: object) -> Observed:
    return Observed(
        result={"outcome": "completed"}, ram_blocks=read_blocks(BLOCKS.replace("\r", "")), **more
    )


def read_back(scenario: Scenario, seen: Observed, tmp_path: Path) -> Scenario:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(scenario_dict(scenario, seen, QEMU)))
    return Scenario.from_capture(path)


def test_the_blocks_are_those_that_qemu_tells() -> None:
    rows = read_blocks(BLOCKS)
    assert [row["name"] for row in rows][:2] == ["pc.ram", "/rom@etc/acpi/tables"]
    assert rows[1] == {
        "name": "/rom@etc/acpi/tables",
        "page_size_text": "4 KiB",
        "used_bytes": 131072,
        "total_bytes": 2097152,
    }


@pytest.mark.parametrize(
    ("workload", "exact"),
    [
        ("uniform:100,pages=500,write=count", False),
        ("hotcold:100,hot=5,pages=500,write=count", False),
        ("uniform:100,pages=500", True),
        ("zipf:100,exponent=1.2,pages=500", True),
        ("phases:uniform:100,pages=10@1s+idle@1s", True),
        ("idle", True),
    ],
)
def test_the_scenario_is_read_again(workload: str, exact: bool, tmp_path: Path) -> None:
    asked = Scenario.build(
        memory="64MiB", workload=workload, bandwidth="8MiB/s", workload_lead="1s"
    )
    run = dataclasses.replace(fit_guest(asked), qemu_version="11.1.3")
    seen = observed(timeline=[{"command": "migrate_cancel", "issued_s": 1.5}])
    assert ("migkit_scenario" in scenario_dict(run, seen, QEMU)) is exact
    back = read_back(run, seen, tmp_path)
    assert back.workload == run.workload
    assert back.guest == run.guest
    assert back.parameters == run.parameters
    assert (back.completion_rule, back.qemu_version) == ("after", "11.1.3")
    assert [(item.command, item.at_s) for item in back.timeline] == [("migrate_cancel", 1.5)]
    assert back.observe_for_s is None


def test_a_shipped_capture_run_again_says_the_same() -> None:
    path = next(path for path in sorted(CAPTURES.iterdir()) if (path / "scenario.json").is_file())
    recorded = json.loads((path / "scenario.json").read_text())
    scenario = fit_guest(Scenario.from_capture(path))
    qemu = dataclasses.replace(
        QEMU, version=tuple(map(int, recorded["qemu"]["version"].split(".")))
    )
    seen = Observed(
        timeline=recorded["timeline"],
        ram_blocks=recorded["guest"]["ram_blocks"],
        observed_for_s=recorded["observed_for_s"],
    )
    written = scenario_dict(scenario, seen, qemu)
    assert "migkit_scenario" not in written
    assert written["guest"].pop("vcpus") == 1
    assert written["guest"] == recorded["guest"]
    assert written["parameters"].items() <= recorded["parameters"].items()
    assert written["capabilities"] == {
        name: True for name, on in recorded["capabilities"].items() if on
    }


def test_a_capture_has_every_file_and_is_read(tmp_path: Path) -> None:
    logs, folder = tmp_path / "logs", tmp_path / "capture"
    logs.mkdir()
    folder.mkdir()
    stamp = "2026-11-22T23:43:23.266998Z"
    (logs / "source.trace.log").write_text(f"{stamp} migrate_set_state new state setup\n")
    (logs / "dest.trace.log").write_text(f"{stamp} migrate_set_state new state setup\n")
    (logs / "source.stderr.txt").write_bytes(b"")
    (logs / "dest.stderr.txt").write_bytes(b"oh\n")
    seen = observed(polls=[{"t": 0.1, "src": {"status": "active", "ram": {"total": 5}}}])
    seen.result |= {
        "query_migrate_source": {"status": "completed", "total-time": 5},
        "query_migrate_destination": {"status": "completed"},
    }
    scenario = fit_guest(Scenario.build(memory="64MiB", workload="idle", name="mine"))
    write_capture(folder, logs, scenario, seen, (QEMU, QEMU))
    capture = read_capture(folder)
    assert (capture.name, capture.outcome) == ("mine", "completed")
    assert capture.result["qemu"]["source"] == {"version": "11.1.3", "rule": "after"}
    assert capture.polls["ram.total"].tolist() == [5]
    assert not (folder / "source.stderr.txt").exists()
    assert (folder / "dest.stderr.txt").read_bytes() == b"oh\n"
    assert gzip.open(folder / "polls.jsonl.gz").read().count(b"\n") == 1
