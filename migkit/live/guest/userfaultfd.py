"""userfaultfd: whoever touches a page that is missing waits until it is placed.

The kernel's interface, through ctypes. Sources: Linux include/uapi/linux/userfaultfd.h; QEMU's
util/userfaultfd.c (uffd_open), migration/postcopy-ram.c (receive_ufd_features,
ram_block_enable_notify, qemu_ufd_copy_ioctl).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from migkit.errors import UserfaultfdError

__all__ = ["WAYS", "Fault", "Userfaultfd", "check_userfaultfd", "open_descriptor"]

_API, _FEATURE_THREAD_ID = 0xAA, 1 << 8
_REGISTER_MISSING, _USER_MODE_ONLY = 1, 1
_IOC_NEW, _IOC_API = 0xAA00, 0xC018AA3F
_IOC_REGISTER, _IOC_UNREGISTER, _IOC_WAKE = 0xC020AA00, 0x8010AA01, 0x8010AA02
_IOC_COPY, _IOC_ZEROPAGE = 0xC028AA03, 0xC020AA04
_NEEDED = 1 << 2 | 1 << 3 | 1 << 4  # wake, copy and zeropage of a range
_PAGEFAULT = 0x12
_EVENT = struct.Struct("<B7xQQI4x")
_CALL_NUMBERS = {"x86_64": 323, "aarch64": 282, "riscv64": 282, "loongarch64": 282}
_DEVICE = "/dev/userfaultfd"
_SYSCTL = Path("/proc/sys/vm/unprivileged_userfaultfd")
_WITHOUT = "or leave out run"


class Fault(NamedTuple):
    """A thread that waits.

    Attributes
    ----------
    address : int
        Of the page.
    thread_id : int
        The system's.
    """

    address: int
    thread_id: int


def _by_device() -> int:
    device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        return int(fcntl.ioctl(device, _IOC_NEW, os.O_CLOEXEC | os.O_NONBLOCK))
    finally:
        os.close(device)


def _by_call() -> int:
    """Ask for faults of user mode alone: that is permitted to everybody since Linux 5.11."""
    number = _CALL_NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    libc = ctypes.CDLL(None, use_errno=True)
    flags = os.O_CLOEXEC | os.O_NONBLOCK | _USER_MODE_ONLY
    found = int(libc.syscall(ctypes.c_long(number), ctypes.c_long(flags)))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


WAYS: tuple[Callable[[], int], ...] = (_by_device, _by_call)
"""How a descriptor is asked for, in this order."""


def open_descriptor(ways: Sequence[Callable[[], int]] | None = None) -> int:
    """Open a descriptor, by the first way that works.

    Parameters
    ----------
    ways : sequence of callable, optional
        Each returns a descriptor or raises OSError; `WAYS` if left out.

    Returns
    -------
    int
        The descriptor, the caller's to close.

    Raises
    ------
    UserfaultfdError
        If none works: it says why by what the last one met.
    """
    if sys.platform != "linux":
        raise UserfaultfdError.of(
            "run the guest here", f"{sys.platform} has no userfaultfd", f"use Linux, {_WITHOUT}"
        )
    number = errno.ENOSYS
    for way in WAYS if ways is None else ways:
        try:
            return way()
        except OSError as error:
            number = error.errno or 0
    raise _refused(number)


def _refused(number: int) -> UserfaultfdError:
    told = os.strerror(number)
    if number == errno.ENOSYS:
        found = f"Linux {platform.release()} is without userfaultfd ({told})"
        return UserfaultfdError.of(
            "run the guest here", found, f"use a kernel with CONFIG_USERFAULTFD, {_WITHOUT}"
        )
    try:
        value = _SYSCTL.read_text(encoding="utf-8").strip()
    except OSError:
        value = "not readable"
    return UserfaultfdError.of(
        "run the guest here",
        f"userfaultfd is not permitted ({told}; vm.unprivileged_userfaultfd is {value})",
        "be root, set vm.unprivileged_userfaultfd to 1, allow the call in the container's "
        f"seccomp profile, {_WITHOUT}",
    )


class Userfaultfd:
    """A descriptor of it, and the ranges that are registered there.

    Raises
    ------
    UserfaultfdError
        If it is not permitted here, or cannot do what is needed.
    """

    def __init__(self) -> None:
        self._descriptor = open_descriptor()
        self._poll = select.poll()
        self._ranges: list[tuple[int, int]] = []
        self._end, self._ender = os.pipe()
        self._poll.register(self._descriptor, select.POLLIN)
        self._poll.register(self._end, select.POLLIN)
        try:
            self._ask(_IOC_API, "<QQQ", _API, _FEATURE_THREAD_ID, 0)
        except OSError as error:
            self.close()
            raise _refused(error.errno or 0) from None

    def register(self, address: int, length: int) -> None:
        """Let whoever touches a missing page of a range wait, from now on.

        Parameters
        ----------
        address, length : int
            Whole pages of private anonymous memory.

        Raises
        ------
        UserfaultfdError
            If the kernel cannot place pages there.
        """
        try:
            found = self._ask(_IOC_REGISTER, "<QQQQ", address, length, _REGISTER_MISSING, 0)
        except OSError as error:
            raise _refused(error.errno or 0) from None
        self._ranges.append((address, length))
        if found[3] & _NEEDED != _NEEDED:
            raise _refused(errno.ENOSYS)

    def copy(self, address: int, source: int, length: int) -> None:
        """Place pages and wake who waits for them.

        Parameters
        ----------
        address : int
            Where they belong.
        source : int
            Address of what they hold.
        length : int
            Whole pages, bytes.

        Raises
        ------
        FileExistsError
            If one of them is there already.
        """
        done = 0
        while done < length:
            rest = (address + done, source + done, length - done)
            done += self._placed(_IOC_COPY, "<QQQQq", *rest, 0, 0)

    def zero(self, address: int, length: int) -> None:
        """Place pages of zeros and wake who waits for them; see `copy`."""
        done = 0
        while done < length:
            done += self._placed(_IOC_ZEROPAGE, "<QQQq", address + done, length - done, 0, 0)

    def wake(self, address: int, length: int) -> None:
        """Let who waits look again."""
        self._ask(_IOC_WAKE, "<QQ", address, length)

    def next_fault(self) -> Fault | None:
        """Wait for a thread that waits; None after `end_faults`."""
        while True:
            ready = dict(self._poll.poll())
            if self._end in ready:
                return None
            try:
                event, _, address, thread_id = _EVENT.unpack(os.read(self._descriptor, 32))
            except BlockingIOError:
                continue  # it was placed meanwhile
            if event == _PAGEFAULT:
                return Fault(address, thread_id)

    def end_faults(self) -> None:
        """Let `next_fault` return, from any thread."""
        os.write(self._ender, b"\0")

    def close(self) -> None:
        """Let go of it: who still waits goes on, with a page of zeros."""
        for address, length in self._ranges:
            self._ask(_IOC_UNREGISTER, "<QQ", address, length)
        self._ranges.clear()
        for descriptor in (self._descriptor, self._end, self._ender):
            os.close(descriptor)

    def _placed(self, request: int, form: str, *values: int) -> int:
        """Place pages; return how many bytes, which are fewer where the next page is there."""
        data = bytearray(struct.pack(form, *values))
        try:
            fcntl.ioctl(self._descriptor, request, data)
        except OSError as error:
            done: int = struct.unpack(form, data)[-1]
            if error.errno not in {errno.EAGAIN, errno.EINTR} or done < 0:
                raise
            return max(done, 0)
        placed: int = struct.unpack(form, data)[-1]
        return placed

    def _ask(self, request: int, form: str, *values: int) -> tuple[int, ...]:
        data = bytearray(struct.pack(form, *values))
        fcntl.ioctl(self._descriptor, request, data)
        return struct.unpack(form, data)


def check_userfaultfd() -> None:
    """Make sure that it works here, before anything depends on it.

    Raises
    ------
    UserfaultfdError
        If it does not: one sentence says why and what to do.
    """
    Userfaultfd().close()
