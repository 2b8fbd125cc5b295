from typing import Any

from migkit.schema import RECORDING as RECORDING
from migkit.schema import RUN_STATES as RUN_STATES
from migkit.schema import STATES as STATES

def recording(w: Any, plan: Any) -> dict[str, Any]: ...
