"""Every wrong input gets one line that names it and the fix, exit code 2, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from migkit.cli import main

SIMULATE = {
    "--memory 0": ["guest memory 0", "4096"],
    "--memory 5000": ["5000", "multiples of 4096"],
    "--memory much": ["memory 'much'", "512MiB"],
    "--bandwidth -5MiB/s": ["bandwidth '-5MiB/s'", "negative", "0 or more"],
    "--bandwidth 5Mb/s": ["5Mb/s", "bits or bytes"],
    "--link-bandwidth -1": ["link_bandwidth '-1'", "negative"],
    "--downtime-limit 5h": ["18000000", "0..2000000 ms"],
    "--downtime-limit 300": ["300", "unit is missing", "300ms"],
    "--parameter downtime-limit=2000001": ["2000001", "0..2000000"],
    "--parameter downtime-limt=3": ["downtime-limt", "did you mean downtime-limit?"],
    "--parameter downtime-limit": ["'downtime-limit'", "NAME=VALUE"],
    "--parameter max-bandwidth=5MiBB": ["5MiBB"],
    "--capability post-copy": ["capability post-copy", "postcopy-ram"],
    "--capability multifd=yes": ["'multifd=yes'", "on|off"],
    "--capability x-colo": ["x-colo", "not modelled"],
    "--workload uniform": ["workload uniform", "no rate"],
    "--workload unifrm:3": ["unifrm:3", "did you mean uniform?"],
    "--workload uniform:-1": ["-1"],
    "--workload uniform:9,pages=9999999999": ["9999999999"],
    "--rule never": ["'never'", "before", "after"],
    "--engine none": ["'none'", "compiled", "oracle"],
    "--seed x": ["'x'", "whole number"],
    "--seed -1": ["seed -1", "0.."],
    "--postcopy-at soon": ["'soon'", "3s"],
    "--postcopy-at 1s --capability postcopy-ram=off": ["--postcopy-at 1s", "postcopy-ram is off"],
    "--observe-for -1s": ["'-1s'", "negative"],
    "--nonzero-percent 101": ["101", "0..100"],
    "--accelerator xen": ["xen", "tcg or kvm"],
    "--capability dirty-limit": ["dirty-limit", "dirty-ring-size=4096"],
    "--vcpus 0": ["vcpus 0", "1..1024"],
    "--scenario nowhere.toml": ["nowhere.toml"],
    "--scenario no-such-name": ["no-such-name", "use one of"],
    "--scenario 8gib-uniform --memory 1GiB": ["--memory 1GiB", "8gib-uniform"],
    "--trace fancy": ["'fancy'", "bare"],
    "--bandwith 5": ["--bandwith", "did you mean --bandwidth?"],
    "--json missing/x.json": ["missing/x.json", "no folder missing"],
    "--trace pid --json": ["--trace pid", "both are printed"],
    "--workload phases:uniform:9@1s+": ["phases:uniform:9@1s+", "WORKLOAD@DURATION"],
    "--disk-bandwidth 5MB/s": ["disk_bandwidth 5MB/s", "transport tcp", "file"],
    "surplus": ["surplus", "one word too many"],
}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def complaint(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command, check exit code and streams, and return its one line."""
    assert main(words) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("migkit: ")
    assert error.endswith("\n")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("words", SIMULATE)
def test_simulate_names_value_range_and_fix(
    words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = complaint(["simulate", "--out", "result", *words.split()], capsys)
    assert [part for part in SIMULATE[words] if part not in line] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "COMMAND"),
        (["simulat"], "'simulat'"),
        (["validate"], "DIR"),
        (["compare"], "REAL"),
        (["compare", "nowhere"], "nowhere"),
        (["compare", "a", "--tolerance", "5"], "unit is missing"),
        (["compare", "a", "b", "--figure", "missing/f"], "no folder missing"),
        (["read"], "PATH"),
        (["scenarios", "no-such-name"], "no-such-name"),
        (["reproduce", "--captures", "nowhere", "--without-notebooks"], "nowhere"),
        (["reproduce", "--qemu", "/somewhere"], "needs --real"),
        (["reproduce", "--real", "--without-notebooks"], "--without-notebooks"),
        (["read", "a", "--json", "--trace", "pid"], "both are printed"),
        (["lab", "run", "no-such-name"], "no-such-name"),
        (["lab", "run", "postcopy-hot", "--boot", "3s"], "give --image too"),
        (["lab", "status", "--qemu", "nowhere"], "nowhere"),
        (["tap", "unix:a", "unix:a"], "connect to itself"),
        (["receive", "127.0.0.1:4444"], "did you mean tcp:127.0.0.1:4444?"),
        (["receive", "file:."], "is a folder"),
        (["receive", "exec:true"], "ended without a byte"),
        (["receive", "tcp:127.0.0.1:0", "--multifd-channels", "0"], "allowed 1..255"),
        (["receive", "tcp:127.0.0.1:0", "--tls-authz", "CN=a"], "--tls-dir"),
        (["send", "a", "tcp:127.0.0.1:1", "--tls-hostname", "a"], "--tls-dir"),
    ],
)
def test_wrong_words_are_named(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert named in complaint(words, capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["read", "validate", "compare"])
@pytest.mark.parametrize("content", [None, "", "not a log\n", "{", "\0\1\2"])
def test_what_is_no_capture_is_refused(
    command: str, content: str | None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "thing").write_text(content, encoding="utf-8")
    assert "thing" in complaint([command, "thing", "--json", "v.json"], capsys)
    assert not (tmp_path / "v.json").exists()


@pytest.mark.parametrize("damaged", ["scenario.json", "result.json", "source.trace.log.gz"])
@pytest.mark.parametrize("kept_bytes", [None, 0, 40])
def test_a_damaged_capture_is_refused(
    damaged: str,
    kept_bytes: int | None,
    idle_capture: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    file = idle_capture / damaged
    if kept_bytes is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:kept_bytes])
    for command in ("validate", "compare"):
        assert damaged in complaint([command, str(idle_capture), "--json", "v.json"], capsys)
    assert not (tmp_path / "v.json").exists()


@pytest.mark.parametrize("command", ["simulate", "read idle", "reproduce"])
def test_a_folder_of_something_else_is_not_replaced(
    command: str, idle_capture: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("years", encoding="utf-8")
    line = complaint([*command.split(), "--out", "precious"], capsys)
    assert "precious" in line
    assert [path.name for path in precious.iterdir()] == ["thesis.tex"]
