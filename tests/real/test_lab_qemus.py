"""The QEMUs that the lab finds run, and know their firmware and machine."""

import subprocess

import pytest

from migkit.lab import Qemu
from real.machine import LIMIT_S


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_found_qemu_boots_its_board_and_answers(
    side: str, request: pytest.FixtureRequest
) -> None:
    qemu: Qemu = request.getfixturevalue(f"qemu_{side}")
    assert qemu.rule == side
    words = "-machine pc -accel tcg -m 32 -nodefaults -display none -S -monitor stdio".split()
    done = subprocess.run(
        [*qemu.command, *words],
        input="info mtree -f\nquit\n",
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "pc.bios" in done.stdout
