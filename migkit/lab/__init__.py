"""Real QEMUs on this machine: found or installed, run in pairs, recorded as captures."""

from migkit.lab.image import GuestImage
from migkit.lab.install import install
from migkit.lab.qemus import Qemu, choose_qemu, find_qemus
from migkit.lab.rewrite import RealEvidence, reproduce_rewrite, rewrite_scenario
from migkit.lab.running import run
from migkit.lab.twin import Twins, run_twins

__all__ = [
    "GuestImage",
    "Qemu",
    "RealEvidence",
    "Twins",
    "choose_qemu",
    "find_qemus",
    "install",
    "reproduce_rewrite",
    "rewrite_scenario",
    "run",
    "run_twins",
]
