"""An installation by apt's own programs, here from an archive of two small packages on disk."""

import subprocess
from pathlib import Path

import pytest

from migkit.cli import main
from migkit.errors import InputError, LabError
from migkit.lab import install
from migkit.lab import install as installed
from migkit.lab.apt import PrivateApt, missing_programs
from migkit.lab.qemus import PROGRAM

HAS_APT = not missing_programs()


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "cache" / "lab"
    monkeypatch.setenv("MIGKIT_LAB", str(folder))
    return folder


def extracted(folder: Path, version: str) -> None:
    libraries = folder / "usr" / "lib" / "x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    loader = libraries / "ld-linux-x86-64.so.2"
    loader.write_text(f"#!/bin/sh\necho QEMU emulator version {version}\n")
    loader.chmod(0o755)
    (folder / "usr" / "bin").mkdir()
    (folder / "usr" / "bin" / PROGRAM).touch()


def test_what_is_there_is_not_installed_again(lab: Path) -> None:
    extracted(lab / "10.0", "10.0.13")
    extracted(lab / "mine", "11.1.3")
    told: list[str] = []
    found = install("both", mirror="file:/nowhere", say=told.append)
    assert [(q.rule, q.path.name) for q in found] == [("before", "10.0"), ("after", "mine")]
    assert told == []


def test_a_rule_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="allowed before, after or both"):
        installed("old")


@pytest.mark.parametrize("mirror", ['file:/no"where', "file:/two words", "file:/a;b"])
def test_an_address_that_would_break_out_of_the_set_up_is_refused(
    mirror: str, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match="quote or line break"):
        PrivateApt(tmp_path, mirror, ["trixie"])


def test_without_apt_one_line_says_what_is_missing(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(lab))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert main(["lab", "install", "--rule", "before"]) == 1
    assert "no apt-get, apt-config, dpkg-deb on this machine" in capsys.readouterr().err
    assert not lab.exists()


def test_a_machine_that_cannot_run_the_packages_is_told_so(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(LabError, match="aarch64"):
        install("before")


if HAS_APT:

    def package(
        folder: Path, name: str, version: str, files: dict[str, str], depends: str
    ) -> None:
        root = folder / name
        for path, text in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755)
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
            f"Maintainer: nobody <nobody@invalid>\nDescription: for a test\n{depends}"
        )
        pool = folder / "archive" / "pool"
        pool.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["dpkg-deb", "-Zgzip", "--root-owner-group", "--build", root, pool],
            check=True,
            capture_output=True,
        )

    @pytest.fixture
    def archive(tmp_path: Path) -> Path:
        """Make an archive without a signature: apt must refuse it."""
        loader = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
        files = {loader: "#!/bin/sh\necho QEMU emulator version 10.0.99\n"}
        package(tmp_path, "libc6", "1", files, "")
        package(tmp_path, "seabios", "1", {"usr/share/seabios/bios.bin": "x"}, "")
        binary = {f"usr/bin/{PROGRAM}": "x"}
        package(tmp_path, "qemu-system-x86", "10", binary, "Depends: libc6\n")
        return tmp_path / "archive"

    def test_an_archive_without_a_signature_is_refused_and_nothing_is_left(
        lab: Path, archive: Path
    ) -> None:
        index = archive / "dists" / "trixie" / "main" / "binary-amd64"
        index.mkdir(parents=True)
        (index / "Packages").touch()
        with pytest.raises(LabError, match="fetch lists of packages"):
            install("before", mirror=f"file:{archive}")
        assert list(lab.iterdir()) == []

    def test_packages_merge_into_usr(archive: Path, tmp_path: Path) -> None:
        from migkit.lab.apt import extract

        extract(sorted((archive / "pool").glob("*.deb")), tmp_path / "root")
        root = tmp_path / "root"
        assert (root / "lib" / "x86_64-linux-gnu" / "ld-linux-x86-64.so.2").is_file()
        assert (root / "lib").is_symlink()
        damaged = tmp_path / "damaged.deb"
        damaged.write_bytes(b"no package")
        with pytest.raises(LabError, match=r"extract damaged\.deb"):
            extract([damaged], tmp_path / "other")
