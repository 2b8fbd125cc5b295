from collections.abc import Iterable
from typing import Any

def latency_bucket(latency_ns: int) -> int: ...
def account_faults(
    vcpus: int, in_ns: bool, start_ns: int, faults: Iterable[tuple[int, int, int]]
) -> dict[str, Any]: ...
