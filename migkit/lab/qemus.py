"""Which QEMUs this machine has, and which completion rule each of them follows.

QEMU 10.1 rewrote ``migration_iteration_run`` (migration/migration.c); up to 10.0 a postcopy
migration may reach ``ram_save_complete`` with pages left. So the version tells the rule.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from migkit.errors import InputError, LabError

__all__ = ["PROGRAM", "Qemu", "choose_qemu", "find_qemus", "lab_folder", "qemu_at", "rule_of"]

PROGRAM = "qemu-system-x86_64"

_FIRST_AFTER = (10, 0, 90)
"""Release candidates of 10.1 number themselves from 10.0.90 on."""

_VERSION = re.compile(r"version (\d+)\.(\d+)\.(\d+)")
_ANSWERS_WITHIN_S = 20
_FIRMWARE = ("usr/share/seabios", "usr/share/qemu")
_LOADERS = ("usr/lib/*/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2")


@dataclass(frozen=True)
class Qemu:
    """One QEMU for x86-64 guests.

    Parameters
    ----------
    command : tuple of str
        The words that start it with its own libraries and firmware.
    version : tuple of int
        Such as ``(10, 0, 13)``.
    origin : {"given", "lab", "system"}
        Named by the user, installed by `migkit.lab.install`, or the machine's own.
    path : Path
        Its program, or the folder that it was extracted to.
    firmware : tuple of Path
        Folders with its firmware; none if it knows its own.
    """

    command: tuple[str, ...]
    version: tuple[int, int, int]
    origin: str
    path: Path
    firmware: tuple[Path, ...] = ()

    @property
    def rule(self) -> str:
        """Completion rule that it follows: ``"before"`` or ``"after"`` the rewrite."""
        return rule_of(self.version)

    @property
    def version_text(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))


def rule_of(version: tuple[int, ...]) -> str:
    """Tell the completion rule of a version of QEMU.

    Parameters
    ----------
    version : tuple of int
        Major, minor and micro number.

    Returns
    -------
    {"before", "after"}
        Which side of the rewrite it lies on.

    Examples
    --------
    >>> rule_of((10, 0, 13)), rule_of((10, 1, 0))
    ('before', 'after')
    """
    return "after" if tuple(version) >= _FIRST_AFTER else "before"


def lab_folder() -> Path:
    """Return the folder of installed QEMUs.

    Returns
    -------
    Path
        ``$MIGKIT_LAB``, else ``migkit/lab`` in the user's cache (``$XDG_CACHE_HOME``, else
        ``~/.cache``). It need not exist.
    """
    named = os.environ.get("MIGKIT_LAB")
    if named:
        return Path(named).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
    return base / "migkit" / "lab"


def find_qemus(given: Iterable[str | PathLike[str]] = ()) -> list[Qemu]:
    """Find the QEMUs that can be used.

    Parameters
    ----------
    given : iterable of path-like
        Programs, or folders that packages were extracted to; they come first.

    Returns
    -------
    list of Qemu
        Given ones, then the lab's, then the system's.

    Raises
    ------
    InputError
        If a given one is not there or does not tell its version. Others are left out then.
    """
    try:
        found = [qemu_at(Path(path).expanduser(), "given") for path in given]
    except LabError as error:
        raise InputError(str(error)) from None
    folder = lab_folder()
    installed = sorted(folder.iterdir()) if folder.is_dir() else []
    candidates = [
        (path, "lab") for path in installed if (path / "usr" / "bin" / PROGRAM).is_file()
    ]
    own = shutil.which(PROGRAM)
    if own is not None:
        candidates.append((Path(own), "system"))
    for path, origin in candidates:
        try:
            found.append(qemu_at(path, origin))
        except LabError:
            continue
    return found


def choose_qemu(rule: str, given: Iterable[str | PathLike[str]] = ()) -> Qemu:
    """Choose a QEMU that follows a rule.

    Parameters
    ----------
    rule : {"before", "after"}
        The completion rule.
    given : iterable of path-like
        If any are given, one of these and no other.

    Returns
    -------
    Qemu
        The first of `find_qemus` that fits.

    Raises
    ------
    LabError
        If there is none.
    InputError
        If the rule is not one.
    """
    if rule not in ("before", "after"):
        raise InputError.of(f"rule {rule!r}", "allowed before or after", "choose one of them")
    paths = list(given)
    found = find_qemus(paths)
    usable = [qemu for qemu in found if not paths or qemu.origin == "given"]
    for qemu in usable:
        if qemu.rule == rule:
            return qemu
    versions = ", ".join(qemu.version_text for qemu in usable) or "none"
    which = "up to 10.0" if rule == "before" else "10.1 or newer"
    raise LabError.of(
        f"QEMU with the rule {rule!r} ({which})",
        f"found {versions}",
        f"run: migkit lab install --rule {rule}, or name one with --qemu PATH",
    )


def qemu_at(path: Path, origin: str) -> Qemu:
    """Look at one QEMU.

    Parameters
    ----------
    path : Path
        Its program, or a folder that its packages were extracted to.
    origin : {"given", "lab", "system"}
        How it came to be looked at.

    Returns
    -------
    Qemu
        It, with the version that it tells.

    Raises
    ------
    LabError
        If it is not there, or does not tell a version.
    """
    if path.is_dir():
        command, firmware = _extracted(path.absolute())
    else:
        command, firmware = (str(path.absolute()),), ()
    return Qemu(command, _version(path, command), origin, path.absolute(), firmware)


def _extracted(folder: Path) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Words that run an extracted QEMU with its own loader and libraries."""
    program = folder / "usr" / "bin" / PROGRAM
    loader = next((file for form in _LOADERS for file in sorted(folder.glob(form))), None)
    if not program.is_file() or loader is None:
        raise LabError.of(
            f"QEMU in {folder}",
            f"no usr/bin/{PROGRAM} with its libraries there",
            "name the program itself, or a folder that its packages were extracted to",
        )
    # On Debian lib is a link to usr/lib: the same folder is not named twice.
    libraries = sorted(
        {file.parent.resolve() for file in folder.glob("usr/lib/*/*.so.*")}
        | {file.parent.resolve() for file in folder.glob("lib/*/*.so.*")}
    )
    firmware = tuple(folder / name for name in _FIRMWARE if (folder / name).is_dir())
    path = ":".join(map(str, libraries))
    words = [str(loader), "--library-path", path, str(program)]
    for place in firmware:
        words += ["-L", str(place)]
    return tuple(words), firmware


def _version(path: Path, command: tuple[str, ...]) -> tuple[int, int, int]:
    try:
        done = subprocess.run(
            [*command, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_ANSWERS_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or "no answer to --version"
        raise LabError.of(f"QEMU {path}", reason, "name a program that runs here") from None
    found = _VERSION.search(done.stdout)
    if found is None:
        said = (done.stderr or done.stdout).strip()[:200] or "nothing"
        raise LabError.of(f"QEMU {path}", f"it says: {said}", f"name a {PROGRAM}")
    return int(found[1]), int(found[2]), int(found[3])
