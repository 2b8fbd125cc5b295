"""The data sets that ship: found, whole, and refused when they are not."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from migkit import datasets
from migkit.errors import DatasetError

CHECKOUT = Path(__file__).parent.parent / "datasets"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Make a copy of the data sets that a test may spoil."""
    folder = tmp_path / "datasets"
    shutil.copytree(CHECKOUT, folder)
    monkeypatch.setenv(datasets.VARIABLE, str(folder))
    return folder


def test_every_file_of_every_capture_is_registered_and_whole():
    on_disk = {p.relative_to(CHECKOUT).as_posix() for p in CHECKOUT.glob("captures/*/*")}
    registered = {
        f"captures/{name}/{file}"
        for name in datasets.capture_names()
        for file in datasets.capture_record(name).sha256
    }
    assert on_disk == registered
    assert [folder.name for folder in datasets.capture_folders()] == datasets.capture_names()
    assert sum(path.stat().st_size for path in CHECKOUT.rglob("*")) < 4_000_000


def test_pairs_differ_in_the_rule_alone():
    pairs = [name for name in datasets.capture_names() if name.endswith("-before")]
    twins = [name for name in pairs if name.replace("before", "after") in datasets.capture_names()]
    assert len(twins) == 4
    for name in twins:
        assert datasets.capture_record(name).completion_rule == "before"
        after = datasets.capture_record(name.replace("before", "after"))
        assert after.completion_rule == "after"


def test_every_capture_says_what_it_shows():
    assert all(datasets.capture_record(name).about for name in datasets.capture_names())


@pytest.mark.parametrize("change", ["altered", "missing"])
def test_a_spoilt_file_is_named(copy, change):
    file = copy / "captures" / "idle" / "result.json"
    if change == "altered":
        file.write_bytes(file.read_bytes() + b" ")
    else:
        file.unlink()
    with pytest.raises(DatasetError, match=re.escape(str(file))) as caught:
        datasets.capture_folder("idle")
    assert ("registered" if change == "altered" else "cannot be read") in str(caught.value)
    assert datasets.capture_folder("precopy-hot-after").is_dir()


def test_the_variable_wins_over_the_checkout(copy):
    assert datasets.root() == copy
    assert datasets.capture_folder("idle") == copy / "captures" / "idle"


def test_a_folder_without_data_is_named_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path))
    with pytest.raises(DatasetError, match=re.escape(f"MIGKIT_DATA names {tmp_path}")) as caught:
        datasets.capture_names()
    assert "or work in a checkout" in str(caught.value)


def test_a_broken_registry_is_named(copy):
    (copy / "registry.toml").write_text("captures = 3")
    with pytest.raises(DatasetError, match=r"registry .* · cannot be read"):
        datasets.capture_names()


@pytest.mark.parametrize(
    ("find", "name", "line"),
    [
        (datasets.capture_folder, "idel", "did you mean idle?"),
        (datasets.capture_folder, "../captures/idle", "not registered"),
        (datasets.scenario_file, "8gib", "did you mean 8gib-uniform?"),
    ],
)
def test_an_unknown_name_gets_the_nearest(find, name, line):
    with pytest.raises(DatasetError, match=re.escape(line)):
        find(name)


def test_registering_again_changes_nothing_and_keeps_the_texts(copy):
    subprocess.run([sys.executable, str(copy / "register.py")], check=True)
    written = (copy / "registry.toml").read_text()
    assert tomllib.loads(written) == tomllib.loads((CHECKOUT / "registry.toml").read_text())
    shutil.copytree(copy / "captures" / "idle", copy / "captures" / "idle-again")
    subprocess.run([sys.executable, str(copy / "register.py")], check=True)
    assert datasets.capture_names()[-1] == "idle-again"
    assert datasets.capture_record("idle").about


def test_every_file_of_every_stream_is_registered_and_whole(copy):
    on_disk = {p.relative_to(CHECKOUT).as_posix() for p in CHECKOUT.glob("streams/*/*")}
    folders = [datasets.stream_folder(name) for name in datasets.stream_names()]
    found = {
        f"streams/{folder.name}/{file.name}" for folder in folders for file in folder.iterdir()
    }
    assert on_disk == found
    (copy / "streams" / "10.0-file" / "stream.xz").write_bytes(b"")
    with pytest.raises(DatasetError, match="registered"):
        datasets.stream_folder("10.0-file")
    with pytest.raises(DatasetError, match="did you mean"):
        datasets.stream_folder("10.0-fil")
