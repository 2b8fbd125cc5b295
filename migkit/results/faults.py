"""The pages a destination asked for in postcopy, from the events of both sides.

The destination asks (postcopy_ram_fault_thread_request), the source hears it
(migrate_handle_rp_req_pages, ram_save_queue_pages) and sends the page (get_queued_page) or finds
that it has gone (get_queued_page_not_dirty); at last the page is in place (postcopy_blocktime_end,
which tells the host address only). Either side's log alone gives its half.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from migkit.schema import FAULTS
from migkit.trace import EventLog

from .frames import UNKNOWN, typed_frame

if TYPE_CHECKING:
    import pandas as pd

_PAGE_BYTES = 4096
_PREEMPTING = "postcopy_preempt_send_host_page"
_ANSWERS = {"get_queued_page": True, "get_queued_page_not_dirty": False, _PREEMPTING: True}
"""What the source does about a request, and whether that sends the page."""
_Place = tuple[str | None, int]


@dataclass
class _Fault:
    """One page asked for, as far as it is known yet."""

    block: str | None
    page: int
    fault_ns: int = UNKNOWN
    request_ns: int = UNKNOWN
    sent_ns: int = UNKNOWN
    placed_ns: int = UNKNOWN
    vcpu: int = UNKNOWN


def faults_frame(source: EventLog | None, dest: EventLog | None) -> pd.DataFrame:
    """Derive the frame of page faults.

    Parameters
    ----------
    source, dest : EventLog or None
        Events of each side.

    Returns
    -------
    DataFrame
        Columns of `migkit.schema.FAULTS`, in the order in which the pages were asked for.
    """
    faults = _asked(dest) if dest is not None else []
    if source is not None:
        faults = _heard(source, faults)
    names = [column.name for column in FAULTS]
    return typed_frame(
        {name: [getattr(fault, name) for fault in faults] for name in names}, FAULTS
    )


def _asked(log: EventLog) -> list[_Fault]:
    """Take the destination's requests, each with the moment its page came into place."""
    event = "postcopy_ram_fault_thread_request"
    blocks = log.texts(event, "block")
    pages = (log.column(event, "offset") // _PAGE_BYTES).tolist()
    times = log.times(event).tolist()
    faults = [
        _Fault(block, page, fault_ns=time)
        for block, page, time in zip(blocks, pages, times, strict=True)
    ]
    waiting: dict[int, deque[_Fault]] = defaultdict(deque)
    for address, fault in zip(log.column(event, "hva").tolist(), faults, strict=True):
        waiting[address // _PAGE_BYTES].append(fault)
    _add_vcpus(log, waiting)
    placed = "postcopy_blocktime_end"
    ends = zip(log.column(placed, "addr").tolist(), log.times(placed).tolist(), strict=True)
    for address, time in ends:
        for fault in waiting.pop(address // _PAGE_BYTES, ()):
            fault.placed_ns = time
    return faults


def _add_vcpus(log: EventLog, waiting: dict[int, deque[_Fault]]) -> None:
    """Tell which vCPU waits; the accounting says so right after the request."""
    begun = "postcopy_blocktime_begin"
    pages = (log.column(begun, "addr") // _PAGE_BYTES).tolist()
    left = {page: deque(faults) for page, faults in waiting.items()}
    for page, vcpu in zip(pages, log.column(begun, "cpu").tolist(), strict=True):
        queue = left.get(page)
        if queue:
            queue.popleft().vcpu = vcpu if vcpu >= 0 else UNKNOWN


def _heard(log: EventLog, asked: list[_Fault]) -> list[_Fault]:
    """Add what the source tells; requests that no destination log has are faults of their own."""
    known: dict[_Place, deque[_Fault]] = defaultdict(deque)
    for fault in asked:
        known[fault.block, fault.page].append(fault)
    faults = list(asked)
    waiting: dict[_Place, deque[_Fault]] = defaultdict(deque)
    # The request names no block when it is that of the request before; queuing it does.
    requests = log.times("migrate_handle_rp_req_pages").tolist()
    queued = "ram_save_queue_pages"
    blocks = log.texts(queued, "block")
    pages = (log.column(queued, "start") // _PAGE_BYTES).tolist()
    times = requests if len(requests) == len(pages) else log.times(queued).tolist()
    for block, page, time in zip(blocks, pages, times, strict=True):
        queue = known.get((block, page))
        if queue:
            fault = queue.popleft()
        else:
            fault = _Fault(block, page)
            faults.append(fault)
        fault.request_ns = time
        waiting[block, page].append(fault)
    _add_sent(log, waiting)
    return faults


def _add_sent(log: EventLog, waiting: dict[_Place, deque[_Fault]]) -> None:
    answers: list[tuple[int, str | None, int, bool]] = []
    for event, is_sent in _ANSWERS.items():
        places = log.column(event, "offset")
        # With a channel of its own for urgent pages, the trace gives the page, not the byte.
        pages = places if event == _PREEMPTING else places // _PAGE_BYTES
        flags = [is_sent] * len(pages)
        rows = log.rows(event).tolist()
        answers += zip(rows, log.texts(event, "block"), pages.tolist(), flags, strict=True)
    times = log.t_ns
    for row, block, page, is_sent_now in sorted(answers, key=itemgetter(0)):
        queue = waiting.get((block, page))
        if queue:
            fault = queue.popleft()
            fault.sent_ns = int(times[row]) if is_sent_now else UNKNOWN
