"""Failures on purpose on real pairs: the states that come out, who runs the guest, the capture."""

from pathlib import Path
from typing import Any

import pytest

from migkit.capture import Capture, read_capture
from migkit.cli import main
from migkit.errors import LabError, NotSimulatedError
from migkit.lab import Qemu, run, run_twins
from migkit.lab.refusals import on_small_disk
from migkit.scenario import Scenario

SMALL: dict[str, Any] = {
    "memory": "32MiB",
    "workload": "uniform:1000,pages=6000,seed=3,write=count",
    "bandwidth": "16MiB/s",
    "downtime_limit": "100ms",
}
FEW = "uniform:300,pages=6000,seed=3,write=count"
POSTCOPY: dict[str, Any] = {
    "memory": "32MiB",
    "workload": "uniform:500,pages=4000,base=1024,seed=3,write=count",
    "bandwidth": "1MiB/s",
    "postcopy_bandwidth": "32MiB/s",
    "downtime_limit": "2500ms",
    "postcopy_at": "300ms",
    "link_bandwidth": "8MB/s",
}
"""Precopy would not complete for long, however late postcopy begins. The older rule leaves what is
there after a tenth of a second or two of postcopy to ``save_complete``. The link is slow enough
that sockets do not take that at once: the source is still in it when page 1000 passes the tap.
"""
FROM_A_FILE = """
memory = "32MiB"
workload = "uniform:500,pages=4000,base=1024,seed=3,write=count"
bandwidth = "1MiB/s"
postcopy_bandwidth = "32MiB/s"
downtime_limit = "2500ms"
postcopy_at = "300ms"
link_bandwidth = "8MB/s"

[failures]
cut = "postcopy:1000"
recover = "100ms"
"""


def states(capture: Capture) -> dict[str, Any]:
    """Say how both sides stand in the end, and which of them beat."""
    result = capture.result
    machines = [result[f"run_state_{side}"] for side in ("source", "destination")]
    return {
        "migration": (capture.outcome, capture.destination_state),
        "machines": tuple(vm if isinstance(vm, str) else vm["status"] for vm in machines),
        "guest": [side for side, row in result["heartbeat"].items() if row["beating"]],
    }


def after_cut(capture: Capture) -> tuple[str, str]:
    both = capture.result["after_cut"]
    return tuple(both[side]["migration"]["status"] for side in ("source", "destination"))  # type: ignore[return-value]


def commands(capture: Capture) -> list[str]:
    return [row["command"] for row in capture.result["timeline"]]


def test_the_same_cut_at_a_page_of_postcopy_under_both_rules(
    qemu_before: Qemu, qemu_after: Qemu, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cut.toml"
    file.write_text(FROM_A_FILE)
    for qemu in (qemu_before, qemu_after):
        out, words = str(tmp_path / qemu.rule), ["--qemu", str(qemu.path), "--rule", qemu.rule]
        assert main(["lab", "run", str(file), "--out", out, *words]) == 0
    before, after = (read_capture(tmp_path / rule) for rule in ("before", "after"))
    given = ["migrate-start-postcopy", "relay-cut", "migrate-recover", "migrate"]
    assert commands(before) == commands(after) == given
    cut = [
        capture.result["timeline"][1]["inside_ram_save_complete"] for capture in (before, after)
    ]
    assert cut == [True, False]
    # Before: inside save_complete nothing is left to recover with; both say that they run it.
    assert after_cut(before) == ("failed", "postcopy-paused")
    assert states(before)["migration"] == ("failed", "postcopy-paused")
    assert states(before)["machines"] == ("running", "running")
    assert "source" in states(before)["guest"]
    assert "no paused migration" in before.result["timeline"][3]["error"]
    # After: both pause, the recovery goes through the same link, and completes.
    assert after_cut(after) == ("postcopy-paused", "postcopy-paused")
    assert states(after) == {
        "migration": ("completed", "completed"),
        "machines": ("postmigrate", "running"),
        "guest": ["destination"],
    }
    assert not any("error" in row for row in after.result["timeline"])
    assert after.result["tap"]["pages_in_save_complete"] == 0
    # What was behind the cut is lost and sent again: the source counts it twice, the tap once.
    assert 4000 <= after.result["tap"]["normal_pages"] <= after.summary["ram"]["normal"]
    for capture in (before, after):
        assert [(i.command, i.at_s) for i in capture.scenario.timeline] == [
            ("cut" if row["command"] == "relay-cut" else row["command"], row["issued_s"])
            for row in capture.result["timeline"]
        ]
    capsys.readouterr()
    assert main(["validate", str(tmp_path / "before"), str(tmp_path / "after")]) in (0, 1)
    assert main(["compare", str(tmp_path / "after")]) in (0, 1)
    assert capsys.readouterr().err == ""


def test_a_cut_before_save_complete_with_all_pages_there_leaves_the_guest_on_both_sides(
    qemu_after: Qemu,
) -> None:
    capture = run(
        Scenario.build(**POSTCOPY), rule="after", qemu=[qemu_after.path],
        failures={"cut": "save_complete", "recover": "100ms"},
    )  # fmt: skip
    assert after_cut(capture) == ("failed", "postcopy-paused")
    assert states(capture) == {
        "migration": ("failed", "postcopy-paused"),
        "machines": ("running", "running"),
        "guest": ["source", "destination"],
    }
    assert "no paused migration" in capture.result["timeline"][3]["error"]


def test_a_cut_of_precopy_leaves_the_guest_on_the_source(qemu_before: Qemu) -> None:
    capture = run(
        Scenario.build(**SMALL), rule="before", qemu=[qemu_before.path],
        failures={"cut": "bytes:4MiB"},
    )  # fmt: skip
    assert states(capture) == {
        "migration": ("failed", "exited"),
        "machines": ("running", "exited"),
        "guest": ["source"],
    }
    assert commands(capture) == ["relay-cut"]


@pytest.mark.parametrize(
    ("refusal", "rule"),
    [
        ("wrong-machine", "after"),
        ("wrong-memory", "before"),
        ("missing-device", "after"),
        ("memory-full", "before"),
    ],
)
def test_a_destination_that_refuses_leaves_the_guest_on_the_source(
    refusal: str, rule: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    qemu: Qemu = request.getfixturevalue(f"qemu_{rule}")
    scenario = Scenario.build(**SMALL, capabilities=["return-path"])
    asked: dict[str, Any] = {"rule": rule, "qemu": [qemu.path], "failures": {}}
    asked["failures"] = {"destination": refusal}
    if refusal == "memory-full":
        (tmp_path / "tried").mkdir()
        try:
            on_small_disk(tmp_path / "tried", 1 << 20)
        except LabError:  # where no user may make a file system, the run says so
            with pytest.raises(LabError, match=r"lets no user make one.* allow user namespaces"):
                run(scenario, tmp_path / "run", **asked)
            return
    capture = run(scenario, tmp_path / "run", **asked)
    assert states(capture) == {
        "migration": ("failed", "exited"),
        "machines": ("running", "exited"),
        "guest": ["source"],
    }
    assert commands(capture) == ["destination-error"]
    assert [item.command for item in capture.scenario.timeline] == ["destination-error"]
    said = (tmp_path / "run" / "dest.stderr.txt").read_text() if refusal != "memory-full" else ""
    assert {
        "wrong-machine": "pc-q35",
        "wrong-memory": "pc.ram",
        "missing-device": "virtio-balloon",
        "memory-full": "",
    }[refusal] in said


def test_a_missing_device_without_return_path_loses_the_guest(qemu_before: Qemu) -> None:
    capture = run(
        Scenario.build(**SMALL), rule="before", qemu=[qemu_before.path],
        failures={"destination": "missing-device"},
    )  # fmt: skip
    # The source learns nothing of what became of its stream.
    assert states(capture) == {
        "migration": ("completed", "exited"),
        "machines": ("postmigrate", "exited"),
        "guest": [],
    }


@pytest.mark.parametrize(("capabilities", "rule"), [([], "before"), (["mapped-ram"], "after")])
def test_a_disk_that_is_full_leaves_the_guest_on_the_source(
    capabilities: list[str], rule: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    qemu: Qemu = request.getfixturevalue(f"qemu_{rule}")
    scenario = Scenario.build(**SMALL, transport="file", capabilities=capabilities)
    capture = run(
        scenario, tmp_path / "run", rule=rule, qemu=[qemu.path], failures={"disk": "8MiB"}
    )
    assert states(capture) == {
        "migration": ("failed", "none"),
        "machines": ("running", "inmigrate"),
        "guest": ["source"],
    }
    # With mapped-ram the file is as large as the memory from its beginning.
    said = "ram_save_setup failed" if capabilities else "File too large"
    assert said in capture.result["query_migrate_source"]["error-desc"]
    with pytest.raises(NotSimulatedError, match="disk 8388608"):
        _ = capture.scenario
    assert main(["compare", str(tmp_path / "run")]) == 2


def test_a_file_that_is_whole_is_loaded(qemu_after: Qemu) -> None:
    scenario = Scenario.build(**SMALL, transport="file", capabilities=["mapped-ram"])
    capture = run(scenario, rule="after", qemu=[qemu_after.path])
    assert states(capture) == {
        "migration": ("completed", "completed"),
        "machines": ("postmigrate", "running"),
        "guest": ["destination"],
    }
    assert capture.scenario.transport.kind == "file"


def test_a_lossy_link_that_changes_means_the_same_to_the_twin(qemu_after: Qemu) -> None:
    scenario = Scenario.build(
        **{**SMALL, "workload": FEW, "bandwidth": "1GiB/s", "downtime_limit": "500ms"},
        link={"loss": "0.05%", "jitter": "1ms"}, link_latency="2ms",
        link_bandwidth="40MB/s", link_profile="1s:20MB/s",
        timeline=[{"command": "link-change", "at": "1500ms", "arguments": {"loss": "0.1%"}}],
    )  # fmt: skip
    twins = run_twins(scenario, rule="after", qemu=[qemu_after.path])
    assert twins.real.outcome == twins.simulated.outcome == "completed"
    assert twins.real.scenario.link == scenario.link
    changes = [item.arguments for item in twins.real.scenario.timeline]
    assert changes == [{"bandwidth": 20_000_000}, {"loss_percent": 0.1}][: len(changes)]
    assert scenario.link.carries < 20_000_000
    ram = twins.real.summary["ram"]
    assert twins.real.result["tap"]["normal_pages"] == ram["normal"]


def test_an_outage_is_survived_and_no_simulation_has_it(
    qemu_before: Qemu, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = run(
        Scenario.build(**SMALL), tmp_path / "run", rule="before", qemu=[qemu_before.path],
        failures={"outages": "300ms+300ms"},
    )  # fmt: skip
    assert states(capture)["migration"] == ("completed", "completed")
    assert states(capture)["guest"] == ["destination"]
    with pytest.raises(NotSimulatedError, match="outages 300000000ns"):
        _ = capture.scenario
    assert main(["validate", str(tmp_path / "run")]) == 0
    assert "not simulated   run: outages 300000000ns+300000000ns" in capsys.readouterr().out
