"""What a machine may lack: a test that needs it is skipped with a line, and fails where it is due.

It is due where ``MIGKIT_REQUIRE_LAB=1`` is set, as on the machines that install QEMUs.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(error: Exception) -> NoReturn:
    """End a test that cannot run here, with what the product says about it."""
    if os.environ.get("MIGKIT_REQUIRE_LAB") == "1":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))
