"""Writing a trace log: QEMU's own lines, in any of the three forms."""

from __future__ import annotations

import numpy as np

from migkit.errors import InputError, TraceLogError

from .eventlog import FORMS, EventLog, Form, Ints
from .registry import parse, render
from .stamps import printed

_NO_PID = 1


def write_log(
    log: EventLog,
    form: Form | None = None,
    pid: int | None = None,
    epoch_ns: int | None = None,
) -> str:
    """Print the events as QEMU does.

    Parameters
    ----------
    log : EventLog
        The events.
    form : str, optional
        ``bare``, ``pid`` or ``iso``; without it, the form the log was read in.
    pid : int, optional
        Process id for the form ``pid``; without it, each line's own, or 1.
    epoch_ns : int, optional
        Wall-clock time of t_ns 0, nanoseconds since 1970; without it, that of the log, or 0.

    Returns
    -------
    str
        One line for each event, each with its line end.

    Raises
    ------
    InputError
        `form` is none of the three.
    TraceLogError
        Times are asked for, but the log has none.

    Examples
    --------
    >>> import numpy as np
    >>> log = EventLog("source", np.array([294066000]), np.array([0]),
    ...                ["ram_save_complete dirty=9627, done=0"], "pid")
    >>> print(write_log(log, pid=1267959, epoch_ns=1748381938 * 10**9), end="")
    1267959@1748381938.294066:ram_save_complete dirty=9627, done=0
    """
    form = log.form if form is None else form
    if form not in FORMS:
        raise InputError.of(
            f"trace log form {form!r}", "allowed bare, pid, iso", "use one of them"
        )
    if form != "bare" and not log.has_times:
        raise TraceLogError.of(
            f"write a trace log in the form {form!r}",
            "the events come from a bare log, which has no times",
            "use form='bare'",
        )
    texts = [render(*parse(message)) for message in log.messages]
    if form == "bare":
        stamps = [""] * len(log)
    else:
        begin = epoch_ns if epoch_ns is not None else log.epoch_ns or 0
        stamps = printed(log.t_ns + begin, form, _pids(log, pid))
    picked = (texts[position] for position in log.message_index.tolist())
    return "".join(f"{stamp}{text}\n" for stamp, text in zip(stamps, picked, strict=True))


def _pids(log: EventLog, pid: int | None) -> Ints:
    if pid is None and log.pids is not None:
        return log.pids
    return np.full(len(log), _NO_PID if pid is None else pid, dtype=np.int64)
