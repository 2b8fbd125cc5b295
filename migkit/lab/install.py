"""Real QEMUs from Debian's packages, in the user's cache: nothing of the system is changed."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from migkit.atomic import whole_folder
from migkit.errors import InputError, LabError
from migkit.lab.apt import PrivateApt, debian_mirror, extract, missing_programs
from migkit.lab.qemus import PROGRAM, Qemu, lab_folder, qemu_at

__all__ = ["SUITES", "install"]

SUITES = {"before": "trixie", "after": "trixie-backports"}
"""Suite of Debian whose QEMU follows the rule: 10.0 and, of the backports, 10.1 or newer."""

_PACKAGES = ("qemu-system-x86", "seabios")
_PROCESSORS = ("x86_64", "AMD64")
_NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var", "etc")


def install(
    rule: str = "both",
    *,
    mirror: str | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Qemu]:
    """Install a QEMU of each rule into `migkit.lab.qemus.lab_folder`, unless it is there already.

    Parameters
    ----------
    rule : {"both", "before", "after"}
        Which.
    mirror : str, optional
        Address of a mirror of Debian; the one that the system's apt uses if left out.
    say : callable, optional
        Told what is being done.

    Returns
    -------
    list of Qemu
        One of each rule that was asked for.

    Raises
    ------
    LabError
        If apt is missing, a package cannot be fetched, or what came does not follow the rule.
        Nothing half-made is left then, nor after an interruption.
    InputError
        If the rule is none of these.
    """
    if rule not in ("both", *SUITES):
        raise InputError.of(f"rule {rule!r}", "allowed before, after or both", "choose one")
    rules = list(SUITES) if rule == "both" else [rule]
    tell = say or (lambda text: None)
    there = {name: _installed(name) for name in rules}
    absent = [name for name, qemu in there.items() if qemu is None]
    if absent:
        _check_machine()
        there |= _install(absent, mirror or debian_mirror(), tell)
    return [qemu for qemu in there.values() if qemu is not None]


def _installed(rule: str) -> Qemu | None:
    """Return the lab's QEMU of a rule: ours by its folder's name, or any that fits."""
    folder = lab_folder()
    others = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in [folder / rule, *others]:
        if (path / "usr" / "bin" / PROGRAM).is_file():
            try:
                qemu = qemu_at(path, "lab")
            except LabError:
                continue
            if qemu.rule == rule:
                return qemu
    return None


def _check_machine() -> None:
    if platform.system() != "Linux" or platform.machine() not in _PROCESSORS:
        raise LabError.of(
            "install QEMU",
            f"this machine is {platform.system()} on {platform.machine()}, the packages are for "
            "Linux on x86-64",
            "name any QEMU with --qemu PATH",
        )
    missing = missing_programs()
    if missing:
        raise LabError.of(
            "install QEMU",
            f"no {', '.join(missing)} on this machine",
            "install apt and dpkg, or name any QEMU with --qemu PATH",
        )


def _install(rules: list[str], mirror: str, tell: Callable[[str], None]) -> dict[str, Qemu]:
    folder = lab_folder()
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    work = Path(tempfile.mkdtemp(prefix=".apt.", dir=folder))
    try:
        suites = [SUITES["before"], *(SUITES[name] for name in rules if name != "before")]
        apt = PrivateApt(work / "apt", mirror, suites)
        tell("lists of packages")
        apt.update()
        for name in rules:
            tell(f"QEMU for the rule {name}: packages")
            apt.clean()
            packages = apt.download(SUITES[name], _PACKAGES)
            tell(f"QEMU for the rule {name}: extracting {len(packages)} packages")
            made[name] = _place(folder / name, name, packages)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return made


def _place(folder: Path, rule: str, packages: list[Path]) -> Qemu:
    """Extract beside the place, look whether it runs and follows the rule, then move it there."""
    with whole_folder(folder) as new:
        extract(packages, new)
        for name in _NOT_NEEDED:
            shutil.rmtree(new / name, ignore_errors=True)
        tried = qemu_at(new, "lab")
        if tried.rule != rule:
            raise LabError.of(
                f"QEMU for the rule {rule}",
                f"{SUITES[rule]} has {tried.version_text}, which follows {tried.rule!r}",
                "name one with --qemu PATH",
            )
    return qemu_at(folder, "lab")
