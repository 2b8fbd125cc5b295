"""The sub-commands at work: what they print, store and return."""

from __future__ import annotations

import dataclasses
import json
import lzma
import os
import re
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

import migkit
from migkit import datasets
from migkit.cli import main
from migkit.cli.terminal import Progress
from migkit.evidence.commit import MESSAGE_LINES

SMALL = "simulate --memory 64MiB --bandwidth 64MiB/s --workload uniform:500".split()
POSTCOPY = [*SMALL, "--postcopy-at", "300ms"]


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that works, and return what it printed."""
    assert main(words) == 0
    out, error = capsys.readouterr()
    assert error == ""
    return out


def test_simulate_prints_rounds_and_summary(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed([*POSTCOPY, "--rule", "before"], capsys)
    run = migkit.simulate(
        memory="64MiB",
        bandwidth="64MiB/s",
        workload="uniform:500",
        postcopy_at="300ms",
        rule="before",
    )
    assert f"total-time         {run.summary['total-time']} ms" in text
    assert f"precopy-bytes      {run.summary['ram']['precopy-bytes']} " in text
    assert len(re.findall(r"^\d+ +\d+\.\d{3} ", text, re.MULTILINE)) == len(run.rounds)
    assert "outcome            completed (destination completed)" in text
    assert text.count("ram_save_complete") == 2


def test_json_alone_goes_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(printed([*POSTCOPY, "--json"], capsys))
    assert document["kind"] == "simulated"
    assert document["outcome"] == document["summary"]["status"] == "completed"
    assert document["scenario"]["completion_rule"] == "after"
    assert [line["done"] for line in document["ram_save_complete"]] == [0, 1]
    assert document["rounds"][0]["reason"] == "setup"


def test_json_to_a_file_leaves_the_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    text = printed([*SMALL, "--json", str(file)], capsys)
    assert "outcome" in text
    assert json.loads(file.read_text(encoding="utf-8"))["outcome"] == "completed"


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("bare", r"ram_save_complete dirty=\d+, done=0"),
        ("pid", r"\d+@\d+\.\d{6}:ram_save_complete dirty=\d+, done=0"),
        ("iso", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ram_save_complete dirty=\d+, done=0"),
    ],
)
def test_trace_prints_the_log_alone(
    form: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed([*SMALL, "--trace", form], capsys).splitlines()
    assert sum(re.fullmatch(line, text) is not None for text in lines) == 1
    assert not any(text.startswith("outcome") for text in lines)


@pytest.mark.parametrize("table_format", ["parquet", "csv"])
def test_stored_tables_are_read_back(
    table_format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    for _ in range(2):  # the second replaces the first
        shown = printed([*POSTCOPY, "--out", str(out), "--format", table_format], capsys)
    assert printed(["read", str(out)], capsys) == shown
    assert list(tmp_path.iterdir()) == [out]
    log = printed(["read", str(out / "source.trace.log"), "--json"], capsys)
    assert [line["done"] for line in json.loads(log)["ram_save_complete"]] == [0, 1]


def test_both_engines_print_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    words = "simulate --memory 4MiB --bandwidth 4MiB/s --workload uniform:50".split()
    engines = [printed([*words, "--engine", name], capsys) for name in ("compiled", "oracle")]
    assert engines[0] == engines[1]


def test_options_reach_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--capability auto-converge --parameter max-postcopy-bandwidth=10MiB --seed 9".split()
    scenario = json.loads(printed([*POSTCOPY, *words, "--json"], capsys))["scenario"]
    assert scenario["capabilities"] == {
        "auto-converge": True,
        "postcopy-ram": True,
        "return-path": True,
    }
    assert scenario["parameters"]["max-postcopy-bandwidth"] == 10 << 20
    assert scenario["seed"] == 9


def test_a_scenario_file_is_changed_by_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('memory = "64MiB"\nworkload = "uniform:500"\n', encoding="utf-8")
    words = ["simulate", "--scenario", str(file), "--downtime-limit", "1s", "--rule", "before"]
    words += ["--postcopy-at", "200ms", "--bandwidth", "64MiB/s", "--json"]
    scenario = json.loads(printed(words, capsys))["scenario"]
    assert scenario["name"] == "mine"
    assert scenario["completion_rule"] == "before"
    assert scenario["parameters"] == {"max-bandwidth": 64 << 20, "downtime-limit": 1000}
    assert [item["command"] for item in scenario["timeline"]] == ["migrate-start-postcopy"]
    assert scenario["capabilities"] == {"postcopy-ram": True, "return-path": True}


@pytest.mark.parametrize("rule", MESSAGE_LINES)
def test_the_commits_scenario_prints_the_commits_lines(
    rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"simulate --scenario commit-7aaa1fc072 --rule {rule} --trace pid".split()
    lines = [line for line in printed(words, capsys).splitlines() if "ram_save_complete" in line]
    if rule == "before":
        assert lines == list(MESSAGE_LINES[rule])
    told = [line.split(":", 1) for line in lines]
    assert [text for _, text in told] == [line.split(":", 1)[1] for line in MESSAGE_LINES[rule]]
    assert all(stamp.startswith("1267959@1748381938.") for stamp, _ in told)


def test_read_shows_a_capture(capsys: pytest.CaptureFixture[str]) -> None:
    folder = datasets.capture_folder("postcopy-hot-before")
    text = printed(["read", str(folder)], capsys)
    assert "total-time         2318 ms" in text
    assert "dirty=73625, done=0" in text
    assert "postcopy-hot-before (recorded)" in text


def test_validate_writes_table_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "v.json"
    folder = datasets.capture_folder("idle")
    text = printed(["validate", str(folder), "--json", str(file)], capsys)
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["summary"]["captures"] == 1
    assert document["captures"][0]["precopy_bytes"]["twin"] == 411164600
    assert "idle" in text
    assert list(tmp_path.iterdir()) == [file]


def test_validate_can_demand_an_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(datasets.capture_folder("idle"))
    assert main(["validate", folder, "--max-error", "100"]) == 0
    assert main(["validate", folder, "--max-error", "0.000001"]) == 1
    assert "idle" in capsys.readouterr().err.splitlines()[-1]


def test_compare_says_where_a_capture_parts_from_its_twin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", str(datasets.capture_folder("precopy-hot-tight"))]
    assert main([*words, "--json", str(tmp_path / "p.json"), "--figure", str(tmp_path / "f")]) == 1
    out, error = capsys.readouterr()
    assert error == ""
    document = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert out.splitlines()[0] == document["sentence"]
    found = migkit.compare(words[1]).first
    assert found is not None
    assert document["same"] is False
    assert document["first"] == dataclasses.asdict(found)
    assert document["partings"][0]["counter"] == found.counter
    assert document["rows"]["iterations"]["real"] == 68
    assert {"f.pdf", "f.svg", "f.png"} <= {path.name for path in tmp_path.iterdir()}


def test_compare_ends_well_where_nothing_parts(capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(datasets.capture_folder("idle"))
    assert json.loads(printed(["compare", folder, folder, "--json"], capsys))["first"] is None
    log = f"{folder}/source.trace.log.gz"
    assert "do not part" in printed(["compare", folder, log, "--tolerance", "0"], capsys)


def test_scenarios_lists_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    listed = printed(["scenarios"], capsys).splitlines()
    assert [line.split()[0] for line in listed] == datasets.scenario_names()
    name = datasets.scenario_names()[0]
    file = datasets.scenario_file(name)
    assert printed(["scenarios", name], capsys) == file.read_text(encoding="utf-8")
    entries = json.loads(printed(["scenarios", "--json"], capsys))
    assert [entry["name"] for entry in entries] == datasets.scenario_names()
    assert all(entry["description"] for entry in entries)


@pytest.mark.parametrize(
    "command", ["", "simulate", "reproduce", "validate", "compare", "read", "scenarios"]
)
def test_help_has_examples_and_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([*command.split(), "--help"])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    assert f"  migkit {command}" in text
    assert "examples:" in text


def test_progress_is_for_terminals_only() -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    for stream, expected in ((StringIO(), ""), (Terminal(), "[1/2] idle")):
        with Progress(stream) as progress:
            progress.step(1, 2, "idle")
            progress.say("the report")
        assert expected in stream.getvalue()
        assert (stream.getvalue() == "") == (expected == "")


def test_an_interrupt_is_one_line_and_its_own_exit_code(tmp_path: Path) -> None:
    pipe = tmp_path / "slow.toml"
    os.mkfifo(pipe)
    words = ["simulate", "--scenario", str(pipe), "--out", "result"]
    with (
        subprocess.Popen(
            [sys.executable, "-m", "migkit", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        ) as process,
        pipe.open("w"),
    ):  # opens once the command waits for the scenario's text
        process.send_signal(signal.SIGINT)
        out, error = process.communicate()
    assert (process.returncode, out, error) == (130, b"", b"migkit: interrupted\n")
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_reader_that_has_enough_ends_the_command_quietly() -> None:
    words = [*SMALL, "--trace", "iso"]
    with subprocess.Popen(
        [sys.executable, "-m", "migkit", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_stream_show_counts_pages_by_section(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = datasets.stream_folder("10.2-tcp") / "channel-0-to-destination.xz"
    data = lzma.decompress(packed.read_bytes())
    file = tmp_path / "main.bin"
    file.write_bytes(data)
    text = printed(["stream", "show", str(file)], capsys)
    ram = json.loads((packed.parent / "expected.json").read_text())["query_migrate"]["ram"]
    assert re.search(rf"^precopy-bytes +{ram['precopy-bytes']}$", text, re.MULTILINE)
    assert re.search(r"^save_complete +2 pages$", text, re.MULTILINE)
    document = json.loads(printed(["stream", "show", str(file), "--json"], capsys))
    assert sum(row["normal_pages"] or 0 for row in document["records"]) == ram["normal"]
    [last] = [r for r in document["records"] if (r["name"], r["kind"]) == ("ram", "end")]
    assert last["normal_pages"] + last["zero_pages"] == document["save_complete_pages"] == 2


def test_stream_show_reads_a_pipe_and_what_broke_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = datasets.stream_folder("10.2-file") / "stream.xz"
    data = lzma.decompress(packed.read_bytes())[:100_000]
    words = [sys.executable, "-m", "migkit", "stream", "show", "-"]
    done = subprocess.run([*words, "--partial"], input=data, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"part           ram" in done.stdout
    assert b"offset 96616 (0x17968), section part of ram (1)" in done.stderr
    refused = subprocess.run(words, input=data, capture_output=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert main(["stream", "show", str(tmp_path / "none")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_a_closed_stream_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # what Python has after `>&-`
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["scenarios"]) == 0
    assert main(["scenarios", "no-such-name"]) == 2


def test_help_and_errors_wait_for_no_large_library() -> None:
    code = (
        "import sys, migkit.cli; sys.exit(sorted({'pandas', 'matplotlib'} & {*sys.modules}) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0
