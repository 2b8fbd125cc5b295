"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migkit.atomic import scratch_folder, whole_folder, write_text


def test_a_file_is_replaced_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "v.json"
    write_text(file, "1\n")
    write_text(file, "2\n")
    assert file.read_text(encoding="utf-8") == "2\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_encoded_leaves_the_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "v.json"
    write_text(file, "1\n")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "\ud800")
    assert file.read_text(encoding="utf-8") == "1\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with whole_folder(tmp_path / "out") as part:
            (part / content).write_text(content, encoding="utf-8")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_folder_leaves_the_earlier_one(
    error: type[BaseException], tmp_path: Path
) -> None:
    with whole_folder(tmp_path / "out") as part:
        (part / "first").touch()
    with pytest.raises(error):
        _interrupted(tmp_path / "out", error)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["first"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interruption_between_the_moves_brings_the_earlier_one_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with whole_folder(tmp_path / "out") as part:
        (part / "first").touch()
    move = os.replace

    def interrupted(source: Path, place: Path) -> None:
        if source.name == "new":
            raise KeyboardInterrupt
        move(source, place)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "out") as part:
        (part / "second").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["first"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nothing_stays_of_what_was_needed_for_a_while() -> None:
    def work() -> None:
        with scratch_folder("migkit-test.") as folder:
            (folder / "inside").mkdir()
            seen.append(folder)
            raise KeyboardInterrupt

    seen: list[Path] = []
    with pytest.raises(KeyboardInterrupt):
        work()
    assert seen[0].name.startswith("migkit-test.")
    assert not seen[0].exists()


def _interrupted(folder: Path, error: type[BaseException]) -> None:
    with whole_folder(folder) as part:
        (part / "second").touch()
        assert [path.name for path in folder.iterdir()] == ["first"]
        raise error
