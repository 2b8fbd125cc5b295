"""How many cases each test has, and that each of them ends."""

import signal
from types import FrameType

from hypothesis import Phase, settings

CASES = {
    "reading: main streams": 30_000,
    "reading: what is told": 8_000,
    "reading: breaking off": 8_000,
    "reading: multifd": 8_000,
    "reading: mapped-ram": 1_000,
    "walking: main streams": 20_000,
    "walking: multifd": 4_000,
    "walking: two streams": 4_000,
    "replying: read": 25_000,
    "replying: in pieces": 5_000,
    "replying: a source": 6_000,
    "receiving: main channels": 5_000,
    "receiving: multifd": 1_500,
    "receiving: resumed": 1_500,
    "tapping": 3_000,
}
"""Cases of a run with the profile ``nightly``: ``make fuzz``."""

CASE_WITHIN_S = 120
_NIGHTLY = 25_000


class HangError(BaseException):
    """A case does not end; hypothesis does not look for a smaller one."""


def share(name: str) -> settings:
    """Run so many cases with ``make fuzz``, and a share of them with every test run."""
    most = settings().max_examples
    count = max(12, round(CASES[name] * most / _NIGHTLY))
    # What fails is small already, and a smaller one would take many cases that time out.
    return settings(max_examples=count, phases=(Phase.explicit, Phase.reuse, Phase.generate))


def begin() -> None:
    """Let a case begin, which has to end."""
    signal.signal(signal.SIGALRM, _hangs)
    signal.setitimer(signal.ITIMER_REAL, CASE_WITHIN_S)


def end() -> None:
    """Let the last case be over."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _hangs(number: int, frame: FrameType | None) -> None:
    raise HangError(f"a case did not end in {CASE_WITHIN_S} s")
