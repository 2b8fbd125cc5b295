"""Real QEMUs on this machine: found or installed, run in pairs, recorded as captures."""

from migkit.lab.install import install
from migkit.lab.qemus import Qemu, choose_qemu, find_qemus
from migkit.lab.running import run

__all__ = ["Qemu", "choose_qemu", "find_qemus", "install", "run"]
