"""The words that the workload guest is started with, from a scenario."""

import dataclasses
import itertools

import pytest

from migkit.errors import LabError
from migkit.guest import Guest
from migkit.lab.guest_words import fit_guest, guest_words, zipf_rows
from migkit.scenario import Scenario
from migkit.workloads import Zipf

MOST = (1 << 32) - 1


def words(workload: str, memory: str = "64MiB", **more: object) -> list[str]:
    scenario = fit_guest(Scenario.build(memory=memory, workload=workload, **more))
    return guest_words(scenario).append.split()


def test_the_captures_guest_is_told_to_the_letter() -> None:
    made = words(
        "hotcold:8000,hot=4000,percent=95,pages=100000,base=1024,seed=1,"
        "generator=xorshift32,write=count",
        "512MiB",
    )
    assert made == [
        "beat=100",
        "fill=1024,100000",
        "phase=2,1024,100000,8,0,1,1,1,4000,95,0,0,0",
        f"write=2,0,0,{MOST}",
    ]


@pytest.mark.parametrize(
    ("rate", "batch", "numbers"),
    [("1000", "1ms", "1,0,1,1"), ("1500", "1ms", "1,1,2,1"), ("333", "2ms", "0,333,500,2")],
)
def test_a_fraction_of_a_page_carries_over(rate: str, batch: str, numbers: str) -> None:
    (phase,) = [w for w in words(f"uniform:{rate},batch={batch}") if w.startswith("phase=")]
    assert phase == f"phase=1,1024,15360,{numbers},1,0,0,0,0,0"


def test_a_working_set_that_would_hit_the_program_begins_above_it() -> None:
    asked = Scenario.build(memory="64MiB", workload="sequential:10,pages=2000")
    fitted = fit_guest(asked)
    assert (fitted.workload.base_page, fitted.workload.pages) == (1024, 2000)
    assert fitted.workload.generator == "xorshift32"
    whole = fit_guest(Scenario.build(memory="64MiB", workload="uniform:10"))
    assert (whole.workload.base_page, whole.workload.pages) == (1024, 15360)
    low = fit_guest(Scenario.build(memory="64MiB", workload="uniform:10,pages=100,base=5000"))
    assert (low.workload.base_page, low.workload.pages) == (5000, 100)


def test_the_guest_that_runs_is_that_of_the_captures() -> None:
    text = "uniform:10,pages=1000,base=1024,generator=xorshift32,write=count"
    fitted = fit_guest(Scenario.build(memory="64MiB", workload=text))
    assert fitted.guest == Guest.of_captures(64 << 20, 1024, 1000)


def test_phases_have_their_own_pages_and_times() -> None:
    made = words("phases:uniform:1000,pages=10@300ms+idle@1s")
    assert [w for w in made if w.startswith("phase=")] == [
        "phase=1,1024,10,1,0,1,1,1,0,0,300,0,0",
        "phase=4,1024,15360,0,0,1,1,2,0,0,1000,0,0",
    ]


def test_shares_of_writes_and_of_pages_become_numbers_to_draw() -> None:
    made = words(
        "uniform:1000,pages=10,base=1024,write=zero:25%/delta(2x8):75%",
        content="zero:50%,compressible(4):50%,run=16,seed=9",
    )
    assert f"write=0,0,0,{int(MOST * 0.25)}" in made
    assert f"write=1,2,8,{MOST}" in made
    assert "content=9,16" in made
    assert [w for w in made if w.startswith("class=")] == [
        f"class=0,{int(MOST * 0.5)}",
        f"class=1024,{MOST}",
    ]


def test_zipf_rows_cover_every_page_once_with_its_share() -> None:
    rows = zipf_rows(Zipf(rate_pages_per_s=1, pages=50_000, exponent=1.0))
    assert len(rows) <= 4096
    assert rows[0][:2] == (0, 1)
    assert sum(count for _, count, _ in rows) == 50_000
    assert all(a[0] + a[1] == b[0] for a, b in itertools.pairwise(rows))
    limits = [limit for *_, limit in rows]
    assert limits == sorted(limits)
    assert limits[-1] == MOST
    harmonic = sum(1 / k for k in range(1, 50_001))
    assert limits[0] / MOST == pytest.approx(1 / harmonic, rel=1e-6)
    assert (limits[1] - limits[0]) / MOST == pytest.approx(0.5 / harmonic, rel=1e-6)


def test_what_the_program_cannot_do_is_said() -> None:
    ten = "+".join(["uniform:1000,pages=10@1s"] * 9)
    with pytest.raises(LabError, match="9 phases · allowed 8"):
        words(f"phases:{ten}")
    with pytest.raises(LabError, match="give the guest 16 MiB or more"):
        words("idle", "4MiB")
    odd = Scenario.build(memory="64MiB", workload="idle", content="random,zero@2000+5")
    with pytest.raises(LabError, match="extents of its own"):
        guest_words(fit_guest(odd))


def test_a_workload_that_is_no_pattern_is_refused() -> None:
    scenario = Scenario.build(memory="64MiB", workload="idle")
    other = type("Odd", (type(scenario.workload),), {"kind": "odd"})
    with pytest.raises(LabError, match="odd workload"):
        fit_guest(dataclasses.replace(scenario, workload=other()))
