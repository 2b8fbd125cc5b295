"""The folder of a reproduction: whole, repeatable, and never half-written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from migkit import datasets
from migkit.errors import InputError, ReproduceError
from migkit.evidence.commit import MESSAGE_LINES
from migkit.report import Picture, Report, report_html, report_text
from migkit.report.tables import table
from migkit.reproduce import Inputs, find_inputs, reproduce, run_notebook

CAPTURES = ("idle", "postcopy-uniform-before", "postcopy-uniform-after")


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """Return a pair of captures and no notebooks."""
    return Inputs(tuple(datasets.capture_folder(name) for name in CAPTURES), ())


@pytest.fixture(scope="module")
def made(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """Make a reproduction without notebooks; return its folder and report."""
    folder = tmp_path_factory.mktemp("made") / "reproduction"
    return folder, reproduce(inputs, folder)


class Links(HTMLParser):
    """Collects what a page would fetch or link to, and checks that its tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attributes if name in {"src", "href"}]
        if tag not in {"meta", "img", "rect", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


def parsed(page: str) -> Links:
    """Parse a page."""
    links = Links()
    links.feed(page)
    assert links.open == []
    return links


def test_page_json_and_folder(made: tuple[Path, Report]) -> None:
    folder, _ = made
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures",
        "report.html",
        "report.json",
    ]
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert {row["pair"] for row in document["tables"]["pairs"]} == {"postcopy-uniform"}
    assert document["validation"]["summary"]["captures"] == len(CAPTURES)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(link.startswith("data:") for link in parsed(page).links)
    for name in CAPTURES:
        assert name in page


def test_the_same_inputs_give_the_same_files(made: tuple[Path, Report], inputs: Inputs) -> None:
    folder, _ = made
    earlier = {path.name: path.read_bytes() for path in folder.glob("report.*")}
    reproduce(inputs, folder)
    assert {path.name: path.read_bytes() for path in folder.glob("report.*")} == earlier
    assert [path.name for path in folder.parent.iterdir()] == ["reproduction"]


def test_an_interrupted_run_leaves_the_earlier_folder(
    made: tuple[Path, Report], inputs: Inputs
) -> None:
    folder, _ = made
    earlier = (folder / "report.json").read_bytes()

    def interrupt(text: str) -> None:
        if "cuts" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce(inputs, folder, progress=interrupt)
    assert (folder / "report.json").read_bytes() == earlier
    assert [path.name for path in folder.parent.iterdir()] == ["reproduction"]


def test_the_terminal_shows_the_lines_of_both_rules(made: tuple[Path, Report]) -> None:
    _, report = made
    text = report_text(report)
    for line in MESSAGE_LINES["before"]:
        assert line in text
    assert (
        len(
            re.findall(
                r"^  \d+@\d+\.\d{6}:ram_save_complete dirty=0, done=[01]$", text, re.MULTILINE
            )
        )
        == 3
    )
    assert "repeats the time stamps" in text
    assert max(map(len, text.splitlines())) <= 120


def test_text_in_the_report_is_escaped(made: tuple[Path, Report], tmp_path: Path) -> None:
    _, report = made
    nasty = "<script>alert(1)</script>&\"'"
    figure = tmp_path / "figure.svg"
    figure.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
    page = report_html(
        Report(
            evidence=report.evidence,
            validation=report.validation,
            pictures=[Picture(nasty, figure)],
            provenance={nasty: {nasty: nasty}},
            fitted={nasty: nasty},
        )
    )
    assert "<script" not in page
    parsed(page)


def notebook(folder: Path, source: str) -> Path:
    """Write a notebook of one cell."""
    path = folder / "01_one.ipynb"
    cell = nbformat.v4.new_code_cell(source)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_a_notebook_runs_and_saves_its_figures(tmp_path: Path) -> None:
    source = notebook(
        tmp_path,
        "import os, pathlib\n"
        "pathlib.Path(os.environ['MIGKIT_FIGURES'], 'here').touch()\n"
        "print(6 * 7)",
    )
    before = source.read_bytes()
    (tmp_path / "figures").mkdir()
    target = tmp_path / "out" / source.name
    run_notebook(source, target, tmp_path / "figures")
    assert (tmp_path / "figures" / "here").exists()
    assert source.read_bytes() == before
    assert nbformat.read(target, as_version=4).cells[0].outputs[0].text == "42\n"


def test_a_failing_notebook_says_which_and_why(tmp_path: Path) -> None:
    source = notebook(tmp_path, "assert 1 == 2, 'the twin went astray'")
    with pytest.raises(ReproduceError, match=r"01_one\.ipynb.*the twin went astray"):
        run_notebook(source, tmp_path / "out" / source.name, tmp_path)
    assert not (tmp_path / "out").exists()


def test_an_interrupted_notebook_takes_its_kernel_with_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = notebook(tmp_path, f"open({str(pipe)!r}).read()")
    script = (
        "import pathlib, sys; from migkit.reproduce import run_notebook; "
        "run_notebook(*map(pathlib.Path, sys.argv[1:]))"
    )
    words = [sys.executable, "-c", script, str(source), str(tmp_path / "out" / "x"), str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        writer = os.open(pipe, os.O_WRONLY)  # opens once the cell waits in its read
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.communicate()[1]
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"nobody reads any more")
    os.close(writer)
    assert not (tmp_path / "out").exists()


def test_missing_packages_are_named_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "migkit.reproduce.find_spec", lambda name: None if name == "nbclient" else object()
    )
    with pytest.raises(InputError, match=r"nbclient.*migkit\[notebooks\]"):
        find_inputs()


def test_inputs_are_the_shipped_ones() -> None:
    found = find_inputs()
    assert [path.name for path in found.captures] == datasets.capture_names()
    assert [path.stem[:2] for path in found.notebooks] == ["01", "02", "03", "04", "05"]
    assert find_inputs(with_notebooks=False).notebooks == ()


def test_a_table_without_values_is_drawn_with_dashes(made: tuple[Path, Report]) -> None:
    _, report = made
    pairs = report.evidence.pairs
    assert pairs["postcopy_ms"].notna().all()
    empty = pairs.assign(postcopy_ms=[None] * len(pairs))
    assert table(empty).count("–") == len(pairs)
