"""Debian's packages by apt and dpkg-deb alone, beside the system and without its rights.

apt runs with a state of its own: it believes that nothing is installed, so a package comes with
all its libraries, and nothing of the system is read but how it reaches its mirror (proxies,
mirror, keys). Packages are checked by apt as ever: by the archive's signature.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from migkit.errors import LabError
from migkit.lab.process import run_whole

__all__ = ["PrivateApt", "debian_mirror", "extract", "missing_programs"]

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NEEDED = ("apt-get", "apt-config", "dpkg-deb")
_FOR_APT = "use a Debian machine, or name any QEMU with --qemu PATH"
_MERGED = ("bin", "lib", "lib64", "sbin")


def missing_programs() -> list[str]:
    """Name the programs that an installation needs and this machine lacks.

    Returns
    -------
    list of str
        Empty if it can go on.
    """
    return [name for name in _NEEDED if shutil.which(name) is None]


def debian_mirror() -> str:
    """Read Debian's mirror from the system's set-up of apt.

    Returns
    -------
    str
        Its address.

    Raises
    ------
    LabError
        If apt knows none.
    """
    found = _run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"],
        "read apt's mirrors",
    )
    lines = found.split()
    if not lines:
        raise LabError.of(
            "Debian's mirror",
            "apt's set-up names none, or its lists were never fetched",
            "run apt-get update once, or give --mirror ADDRESS",
        )
    return lines[0]


class PrivateApt:
    """An apt with its own state.

    Parameters
    ----------
    folder : Path
        Where its state and its packages lie; removed by who made it.
    mirror : str
        Address of the archive.
    suites : sequence of str
        Suites of the archive that are known to it.

    Raises
    ------
    LabError
        If the folder's name cannot stand in apt's configuration.
    """

    def __init__(self, folder: Path, mirror: str, suites: Sequence[str]) -> None:
        if re.search(r'["\\\n;]', f"{folder}{mirror}") or " " in mirror:
            raise LabError.of(
                f"apt state in {folder}", "a quote or line break in it", "set MIGKIT_LAB elsewhere"
            )
        self._folder = folder
        self.packages = folder / "cache" / "archives"
        (folder / "lists" / "partial").mkdir(parents=True)
        (self.packages / "partial").mkdir(parents=True)
        (folder / "status").touch()
        signed = f" [signed-by={_KEYRING}]" if _KEYRING.is_file() else ""
        sources = [f"deb{signed} {mirror} {suite} main\n" for suite in suites]
        (folder / "sources.list").write_text("".join(sources), encoding="utf-8")
        (folder / "apt.conf").write_text(self._configuration(), encoding="utf-8")
        self._environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"}

    def _configuration(self) -> str:
        """Keep how the system fetches (``Acquire``), and nothing else of its set-up."""
        system = _run(["apt-config", "dump"], "read apt's set-up")
        own = {
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::sourcelist": self._folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self._folder,
            "Dir::State::lists": self._folder / "lists",
            "Dir::State::status": self._folder / "status",
            "Dir::Cache": self._folder / "cache",
            "Dir::Log": self._folder,
            "APT::Architecture": "amd64",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "true",
        }
        kept = [line for line in system.splitlines() if line.startswith("Acquire::")]
        ours = [f'{name} "{value}";' for name, value in own.items()]
        return "\n".join([*kept, *ours, 'APT::Architectures { "amd64"; };', ""])

    def update(self) -> None:
        """Fetch the lists of packages and check their signatures.

        Raises
        ------
        LabError
            If they cannot be fetched, or are not signed by a key that this machine trusts.
        """
        # Without this, apt goes on with a list that it could not fetch.
        strict = ["-o", "APT::Update::Error-Mode=any"]
        _run(["apt-get", "-qq", *strict, "update"], "fetch lists of packages", self._environment)

    def download(self, suite: str, names: Sequence[str]) -> list[Path]:
        """Fetch packages with all that they depend on.

        Parameters
        ----------
        suite : str
            Where they are taken from first.
        names : sequence of str
            The packages.

        Returns
        -------
        list of Path
            Their files.

        Raises
        ------
        LabError
            If one is not there or cannot be fetched.
        """
        words = ["apt-get", "-qq", "--yes", "--download-only", "--no-install-recommends"]
        words += ["--target-release", suite, "install", *names]
        _run(words, f"fetch {' and '.join(names)}", self._environment)
        return sorted(self.packages.glob("*.deb"))

    def clean(self) -> None:
        """Forget the packages that were fetched."""
        for file in self.packages.glob("*.deb"):
            file.unlink()


def extract(packages: Sequence[Path], folder: Path) -> None:
    """Extract packages; nothing of them is run.

    Parameters
    ----------
    packages : sequence of Path
        Their files.
    folder : Path
        Where to; its ``lib`` and the like are made links into ``usr``, as on Debian.

    Raises
    ------
    LabError
        If a file is damaged.
    """
    for name in _MERGED:
        (folder / "usr" / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(f"usr/{name}")
    for package in packages:
        _run(["dpkg-deb", "--extract", str(package), str(folder)], f"extract {package.name}")


def _run(words: Sequence[str], doing: str, environment: dict[str, str] | None = None) -> str:
    """Run a program to its end; when we are interrupted, it ends with all that it started."""
    try:
        done = run_whole(words, environment)
    except OSError as error:
        raise LabError.of(doing, f"{words[0]}: {error.strerror}", _FOR_APT) from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        told = "; ".join(said or done.stderr.splitlines()[-2:]) or f"exit {done.returncode}"
        fix = "install debian-archive-keyring" if "NO_PUBKEY" in done.stderr else _FOR_APT
        raise LabError.of(doing, told[:400], fix)
    return done.stdout
