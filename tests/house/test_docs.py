"""The pages at the top of the repository say what is true of it."""

import os
import re
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest
import yaml

from house.source_tree import ROOT, files

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
README = (ROOT / "README.md").read_text()
PAGES = sorted(ROOT.glob("*.md"))
LINK = re.compile(r"!?\[[^]]*\]\(([^)#\s]+)[^)]*\)")
TEXT = {".py", ".pyx", ".pxd", ".pyi", ".md", ".toml", ".yml", ".yaml", ".build", ".options",
        ".cff", ".ipynb", ".json", ".cfg", ".txt", ".sh"}  # fmt: skip
# What a recorded run says about the machine it ran on stays as it was recorded.
RECORDED = ROOT / "datasets" / "captures"
MACHINE_PATH = re.compile(r"(?<![\w./\\-])/(?:work|root|home/\w+|Users/\w+|tmp/\w+)\b")
PACKAGE_INDEX = re.compile(r"(?:index[-_]url|--regist[r]y|/simpl[e]/)", re.IGNORECASE)


def written_here() -> list[Path]:
    return [
        path
        for path in files()
        if not path.is_relative_to(RECORDED)
        and (path.suffix in TEXT or path.name in {"Makefile", "run", ".gitignore"})
    ]


def test_the_citation_has_what_the_format_requires() -> None:
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["type"] == "software"
    assert CITATION["license"] == "BSD-3-Clause"
    assert CITATION["title"].startswith("migkit")
    assert CITATION["message"]
    assert all(author.get("name") or author.get("family-names") for author in CITATION["authors"])
    assert CITATION["authors"]


def test_the_citation_is_dated_as_the_changelog_is() -> None:
    released = re.search(r"^## \[[^]]+\] - (\S+)$", CHANGELOG, re.MULTILINE)
    assert released is not None
    assert date.fromisoformat(released[1]) == date.fromisoformat(str(CITATION["date-released"]))


def test_the_changelog_is_newest_first_under_known_headings() -> None:
    dates = [date.fromisoformat(d) for d in re.findall(r"^## \[.+\] - (\S+)$", CHANGELOG, re.M)]
    assert dates == sorted(dates, reverse=True)
    headings = set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE))
    assert headings <= {"Added", "Changed", "Fixed", "Removed", "Results changed"}


def test_the_licence_is_the_one_that_is_named() -> None:
    assert "BSD 3-Clause License" in (ROOT / "LICENSE").read_text().splitlines()[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_pages_name_exist(page: Path) -> None:
    make = shutil.which("make") or shutil.which("gmake")
    assert make is not None
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for target in sorted(set(re.findall(r"(?:^|`)make (\w+)", page.read_text(), re.MULTILINE))):
        done = subprocess.run(
            [make, "--dry-run", "--always-make", target],
            cwd=ROOT, env=clean, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{page.name} names make {target}: {done.stderr}"


def test_the_readme_names_the_two_commands() -> None:
    assert {"reproduce", "test"} <= set(re.findall(r"^make (\w+)", README, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


def test_the_readmes_tour_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert blocks
    monkeypatch.setenv("MIGKIT_DATA", str(ROOT / "datasets"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"README.md, python block {number}", "exec"), names)


@pytest.mark.parametrize("pattern", [MACHINE_PATH, PACKAGE_INDEX], ids=["path", "host"])
def test_no_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    named = {
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in written_here()
        if (found := pattern.search(path.read_text(errors="replace")))
    }
    assert named == set()


@pytest.mark.parametrize("text", ["see /" + "work/x", "'/" + "root'", "(/" + "tmp/abc)"])
def test_a_machine_path_is_noticed(text: str) -> None:
    assert MACHINE_PATH.search(text)


def test_the_ci_script_runs_make_test_and_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^make test\b", script.read_text(), re.MULTILINE)
