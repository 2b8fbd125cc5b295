from collections.abc import Callable
from typing import Any

def run(plan: Any, progress: Callable[[int], object] | None = None) -> dict[str, Any]: ...
