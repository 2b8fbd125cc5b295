"""``python -m migkit`` is the command ``migkit``."""

import sys

from migkit.cli import main

sys.exit(main())
