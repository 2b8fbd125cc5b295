"""Real QEMUs for the tests that need them."""

from pathlib import Path

import pytest

from migkit.errors import LabError
from migkit.lab import Qemu, choose_qemu
from real.send_destination import machine_of, save_guest
from required import lacking


def _qemu(rule: str) -> Qemu:
    try:
        return choose_qemu(rule)
    except LabError as error:
        lacking(error)


@pytest.fixture(scope="session")
def qemu_before() -> Qemu:
    """A QEMU up to 10.0: its ``command`` starts it, see also ``version`` and ``rule``."""
    return _qemu("before")


@pytest.fixture(scope="session")
def qemu_after() -> Qemu:
    """A QEMU from 10.1 on."""
    return _qemu("after")


@pytest.fixture(scope="session")
def saved_before(qemu_before: Qemu, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A guest that `qemu_before` saved, and its last heartbeat."""
    return save_guest(qemu_before, machine_of(qemu_before), tmp_path_factory.mktemp("old") / "g")


@pytest.fixture(scope="session")
def saved_after(qemu_after: Qemu, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A guest that `qemu_after` saved, and its last heartbeat."""
    return save_guest(qemu_after, machine_of(qemu_after), tmp_path_factory.mktemp("new") / "g")
