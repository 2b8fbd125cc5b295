"""The report of a reproduction: one HTML file that needs nothing beside it, JSON, and text.

`contents` says what goes in, `tables` turns frames into HTML, `page`, `plain` and `terminal` each
write one form.
"""

from __future__ import annotations

from migkit.report.contents import Picture, Report, verdict
from migkit.report.page import report_html
from migkit.report.plain import report_dict
from migkit.report.terminal import report_text

__all__ = ["Picture", "Report", "report_dict", "report_html", "report_text", "verdict"]
