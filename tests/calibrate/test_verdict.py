"""Which profile explains the captures better, and the command that says so."""

import json
import shutil

import pytest

from migkit.calibrate import calibrate
from migkit.calibrate.agreement import closer
from migkit.calibrate.costs import with_numbers
from migkit.cli import main
from migkit.host import HostProfile
from tests.calibrate.made import POSTCOPY, PRECOPY, write_capture


def test_command_writes_a_profile(tmp_path, capsys):
    out = tmp_path / "mine.json"
    assert main(["calibrate", str(PRECOPY), "--out", str(out)]) == 0
    profile = HostProfile.load(out)
    assert profile.name == "mine"
    assert profile.fitted_on == (PRECOPY.name,)
    assert "limiter_wake_ns" in capsys.readouterr().out


def test_wrong_folder_and_wrong_file_are_one_line(tmp_path, capsys):
    assert main(["calibrate", str(tmp_path / "nowhere")]) == 2
    assert main(["calibrate", str(PRECOPY), "--out", str(tmp_path / "x.txt")]) == 2
    assert main(["calibrate", str(PRECOPY), "--base", "nohost"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert not list(tmp_path.iterdir())


def test_a_slow_host_is_better_explained_by_its_own_profile(tmp_path):
    slow = with_numbers(HostProfile.load(), {"limiter_wake_ns": 2_400_000, "setup_ns": 60_000_000})
    write_capture(tmp_path / "slow", PRECOPY / "scenario.json", slow)
    found = calibrate([tmp_path])
    (fit,) = found.captures
    assert fit.fitted.explained
    assert not fit.shipped.explained
    assert fit.closer == "fitted" == found.summary["closer"]
    off = {item.measure: item for item in fit.shipped.off}
    assert off["total_time_ms"].real == fit.total_time_ms
    assert off["total_time_ms"].twin == fit.shipped.total_time_ms
    assert "the fitted one is closer" in str(found)


def test_the_fit_is_not_called_better_where_the_shipped_profile_is_the_host(tmp_path):
    write_capture(tmp_path / "same", PRECOPY / "scenario.json", HostProfile.load())
    found = calibrate([tmp_path])
    (fit,) = found.captures
    assert fit.shipped.explained
    assert fit.shipped.error_percent == 0
    assert found.summary["closer"] in ("shipped", "the same")


@pytest.mark.parametrize(
    ("fitted", "verdict"),
    [
        ((5, 1.0, 40), "the same"),
        ((5, 0.5, 40), "fitted"),
        ((6, 1.0, 41), "fitted"),
        ((5, 1.5, 40), "shipped"),
        ((6, 1.5, 40), "neither"),
        ((4, 1.0, 39), "shipped"),
    ],
)
def test_one_profile_is_closer_only_if_it_is_worse_in_nothing(fitted, verdict):
    names = ("explained", "total_time_median_ape_percent", "alike")
    shipped = dict(zip(names, (5, 1.0, 40), strict=True))
    assert closer(dict(zip(names, fitted, strict=True)), shipped) == verdict


def test_json_has_every_part(tmp_path, capsys):
    out = tmp_path / "found.json"
    assert main(["calibrate", str(PRECOPY), "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert {
        "constants", "scatter", "not_identified", "captures", "summary", "unexplained", "profile"
    } <= set(found)  # fmt: skip
    (capture,) = found["captures"]
    assert {"explained", "off", "error_percent", "margin_ms"} <= set(capture["fitted"])
    traced = json.loads((PRECOPY / "result.json").read_text())["query_migrate_source"]
    assert capture["traced_ms"] == traced["total-time"]
    assert capture["fitted"]["traced_error_percent"] == pytest.approx(
        100 * (capture["fitted"]["total_time_ms"] / traced["total-time"] - 1)
    )
    assert HostProfile.from_dict(found["profile"]).fitted_on == (PRECOPY.name,)
    text = capsys.readouterr().out
    assert all(name in text for name in found["not_identified"])
    assert all(len(line) <= 120 for line in text.splitlines()[-20:])


def test_what_cannot_be_simulated_is_named_and_not_fitted(tmp_path):
    write_capture(tmp_path / "plain", PRECOPY / "scenario.json", HostProfile.load())
    shutil.copytree(PRECOPY, tmp_path / "strange")
    values = json.loads((tmp_path / "strange" / "scenario.json").read_text())
    values["capabilities"] = {"x-colo": True}
    (tmp_path / "strange" / "scenario.json").write_text(json.dumps(values))
    found = calibrate([tmp_path])
    assert dict(found.not_simulated) == {"strange": ("x-colo",)}
    assert found.profile.fitted_on == ("plain",)
    assert "not simulated  strange: x-colo" in str(found)


def test_repeats_that_tell_no_time_are_one_clear_error(tmp_path, capsys):
    shutil.copytree(POSTCOPY, tmp_path / "one")
    repeats = json.loads((POSTCOPY / "repeats.json").read_text())
    repeats[1]["timeline_issued_s"] = ["soon"]
    (tmp_path / "one" / "repeats.json").write_text(json.dumps(repeats))
    assert main(["calibrate", str(tmp_path / "one")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "timeline_issued_s ['soon'] is no list of seconds" in line
