"""The program of the workload guest: its source is shipped, the compiler at hand builds it."""

from __future__ import annotations

import os
import shlex
import shutil
from importlib.resources import files
from pathlib import Path

from migkit.errors import LabError
from migkit.lab.process import run_whole

__all__ = ["PROGRAM_PAGES", "STACK_PAGE", "build_guest"]

PROGRAM_PAGES = 1024
"""Pages from 0 on that belong to the program and the firmware; a workload lies above."""

STACK_PAGE = 511
"""The one page that the program writes of its own, all the time."""

_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = (
    "-m32 -march=i686 -Os -std=gnu11 -ffreestanding -fno-pic -fno-stack-protector -w "
    "-fno-asynchronous-unwind-tables -mgeneral-regs-only -nostdlib -static "
    "-Wl,--build-id=none"
)
_FOR_SOME = ("-no-pie", "-fcf-protection=none", "-Wl,--no-warn-rwx-segments")
_COMPILES_WITHIN_S = 60


def build_guest(folder: Path) -> Path:
    """Build the workload guest.

    Parameters
    ----------
    folder : Path
        Where its file is written.

    Returns
    -------
    Path
        The program, for QEMU's ``-kernel``.

    Raises
    ------
    LabError
        If there is no C compiler (``$CC`` names one), or it cannot build for 32 bits.
    """
    compiler = _compiler()
    made = folder / "guest.elf"
    source = files("migkit.lab") / "program"
    with_paths = [str(source / "guest.c"), f"-Wl,-T,{source / 'guest.ld'}", "-o", str(made)]
    words = [*compiler, *_FLAGS.split()]
    # What an interrupted compiler leaves lies where everything is removed.
    environment = {**os.environ, "TMPDIR": str(folder)}
    errors = []
    for extra in (_FOR_SOME, _FOR_SOME[:2], ()):
        done = run_whole([*words, *extra, *with_paths], environment, _COMPILES_WITHIN_S)
        if done.returncode == 0:
            return made
        errors.append(done.stderr.strip().splitlines() or [f"exit {done.returncode}"])
    raise LabError.of(
        f"build the workload guest with {compiler[0]}",
        f"it cannot make a 32-bit program: {errors[-1][0][:200]}",
        "set CC to a compiler that knows -m32 (gcc or clang on x86-64), or give --image",
    )


def _compiler() -> list[str]:
    """Words of the compiler: those of ``$CC``, else the first that is there."""
    named = shlex.split(os.environ.get("CC", ""))
    candidates = [named] if named else [[name] for name in _COMPILERS]
    for words in candidates:
        if shutil.which(words[0]):
            return words
    raise LabError.of(
        "build the workload guest",
        f"no C compiler here: looked for {', '.join(words[0] for words in candidates)}",
        "install gcc or clang, or give --image",
    )
