"""What multifd's threads cost on a machine: a part of the host profile."""

from __future__ import annotations

from dataclasses import dataclass

from migkit.errors import HostProfileError
from migkit.records import check_numbers

__all__ = ["MultifdCosts"]


@dataclass(frozen=True)
class MultifdCosts:
    """Costs of multifd, in nanoseconds unless the name says otherwise.

    Parameters
    ----------
    open_ns, open_channel_ns : int
        Setting the channels up; what each one adds.
    wake_ns : int
        Waking a thread that waits.
    contention_permille : tuple of int
        How long a woken thread waits for a processor, in thousandths of the time for which the
        senders that use one still need it: equally likely values. Which of them comes is drawn
        with the scenario's seed, in every run: who of the threads comes first is the race by
        which two runs of QEMU differ, and without it the senders would stay in step.
    queue_page_ns : int
        Migration thread: finding a page and appending it to the batch.
    test_page_ns, test_zero_page_ns : int
        Whoever looks for zero pages: a page with data; a page of zeros.
    packet_ns, write_ns : int
        Sender: filling in a packet's header; one write.
    write_byte_ps, zero_copy_byte_ps : int
        Sender: copying a byte into the socket; handing it over by reference. Picoseconds.
    zero_copy_copied : bool
        Whether the kernel copies all the same, as it does on loopback.
    first_touch_page_ns, destination_page_ns, destination_zero_page_ns : int
        Receiver: a page the destination had not; one it had; a page of zeros.
    side_by_side_percent : int
        How many pairs of sender and receiver the machine's cores carry at full speed, percent;
        more share them. 0 is any number.
    compress_percent : int
        Time compression takes, percent of the table measured for it.
    send_buffer_bytes : int
        What the two sockets of a channel hold before a write blocks, bytes.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole.

    Examples
    --------
    >>> MultifdCosts().send_buffer_bytes
    3600000
    """

    open_ns: int = 6_000_000
    open_channel_ns: int = 250_000
    wake_ns: int = 20_000
    contention_permille: tuple[int, ...] = ()
    queue_page_ns: int = 60
    test_page_ns: int = 100
    test_zero_page_ns: int = 200
    packet_ns: int = 5_000
    write_ns: int = 10_000
    write_byte_ps: int = 420
    zero_copy_byte_ps: int = 60
    zero_copy_copied: bool = False
    first_touch_page_ns: int = 2_350
    destination_page_ns: int = 2_450
    destination_zero_page_ns: int = 100
    side_by_side_percent: int = 0
    compress_percent: int = 100
    send_buffer_bytes: int = 3_600_000

    def __post_init__(self) -> None:
        """Check every value."""
        check_numbers("multifd", self, HostProfileError)
        late = tuple(self.contention_permille)
        wrong = [v for v in late if isinstance(v, bool) or not isinstance(v, int) or v < 0]
        if wrong or not isinstance(self.zero_copy_copied, bool):
            raise HostProfileError.of(
                f"multifd: contention_permille {wrong}, copied {self.zero_copy_copied!r}",
                "allowed whole numbers, 0 or more, and true or false",
                "give such values",
            )
        object.__setattr__(self, "contention_permille", late)
