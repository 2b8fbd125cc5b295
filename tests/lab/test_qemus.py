"""Which QEMU is found where, and what it is taken for; programs that only tell a version."""

from pathlib import Path

import pytest

from migkit.cli import main
from migkit.errors import InputError, LabError
from migkit.lab import choose_qemu, find_qemus
from migkit.lab.qemus import PROGRAM, lab_folder, rule_of


def program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'QEMU emulator version {version} (some packager)'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def nothing_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIGKIT_LAB", str(tmp_path / "lab"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.mark.parametrize(
    ("version", "rule"),
    [
        ((9, 2, 4), "before"),
        ((10, 0, 13), "before"),
        ((10, 0, 90), "after"),
        ((10, 1, 0), "after"),
        ((11, 1, 3), "after"),
    ],
)
def test_the_rule_is_told_by_the_version(version: tuple[int, int, int], rule: str) -> None:
    assert rule_of(version) == rule


def test_a_given_program_comes_before_the_systems(tmp_path: Path) -> None:
    own = program(tmp_path / "bin" / PROGRAM, "10.0.2")
    given = program(tmp_path / "mine", "10.2.2")
    found = find_qemus([given])
    assert [(q.path, q.version, q.origin) for q in found] == [
        (given, (10, 2, 2), "given"),
        (own, (10, 0, 2), "system"),
    ]
    assert found[0].command == (str(given),)


def test_if_one_is_given_no_other_is_chosen(tmp_path: Path) -> None:
    program(tmp_path / "bin" / PROGRAM, "10.0.2")
    given = program(tmp_path / "mine", "10.2.2")
    assert choose_qemu("before").version == (10, 0, 2)
    with pytest.raises(LabError, match=r"found 10\.2\.2"):
        choose_qemu("before", [given])


def test_what_is_missing_and_how_to_get_it_is_said_in_one_line() -> None:
    with pytest.raises(LabError, match=r"found none · run: migkit lab install --rule after"):
        choose_qemu("after")
    with pytest.raises(InputError, match="allowed before or after"):
        choose_qemu("old")


@pytest.mark.parametrize("text", ["no-such-file", "bin"])
def test_a_given_path_without_qemu_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    with pytest.raises(InputError, match=str(tmp_path / text)):
        find_qemus([tmp_path / text])


def test_a_program_that_is_not_qemu_is_refused_when_given_and_else_left_out(
    tmp_path: Path,
) -> None:
    other = tmp_path / "bin" / PROGRAM
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho hello\n")
    other.chmod(0o755)
    assert find_qemus() == []
    with pytest.raises(InputError, match="it says: hello"):
        find_qemus([other])


def test_an_extracted_folder_is_run_with_its_own_loader_and_firmware(tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "10.0"
    libraries = folder / "usr" / "lib" / "x86_64-linux-gnu"
    (folder / "usr" / "share" / "seabios").mkdir(parents=True)
    # A loader that starts the program it is given, as the real one does.
    loader = program(libraries / "ld-linux-x86-64.so.2", "")
    loader.write_text('#!/bin/sh\n[ "$1" = --library-path ] || exit 1\nexec "$3" "$@"\n')
    inside = program(folder / "usr" / "bin" / PROGRAM, "10.0.13")
    (qemu,) = find_qemus()
    assert (qemu.version, qemu.origin, qemu.path) == ((10, 0, 13), "lab", folder)
    assert qemu.command[:4] == (str(loader), "--library-path", str(libraries), str(inside))
    assert qemu.command[4:] == ("-L", str(folder / "usr" / "share" / "seabios"))


def test_the_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert lab_folder() == tmp_path / "lab"
    monkeypatch.delenv("MIGKIT_LAB")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert lab_folder() == tmp_path / "cache" / "migkit" / "lab"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert lab_folder() == Path.home() / ".cache" / "migkit" / "lab"


def test_status_lists_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = program(tmp_path / "mine", "10.2.2")
    assert main(["lab", "status", "--qemu", str(given)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].split() == ["10.2.2", "after", "given", str(given), "its", "own"]
    assert out.splitlines()[2:] == [
        "none follows the rule 'before': run migkit lab install --rule before"
    ]
