"""The report of a period as one self-contained HTML page, for auditors to read, print and file.

Rules:
- The page loads nothing and contains no script.
- A log may hold forged text: all of its text is escaped with `escape_text`.
- The verdict and the counts come before the details, and failures before successes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.audit.report.decisions import render_decisions, render_denials, render_identity, render_reasons
from authguard.audit.report.integrity import render_integrity
from authguard.audit.report.summary import render_head, render_summary
from authguard.audit.report.transitions import render_acts, render_held, render_machines, render_policies
from authguard.policy.render.html_document import load_style, render_document

if TYPE_CHECKING:
    from authguard.audit.report.data import ReportContext, ReportData

_STYLE_SHEET: Final = Path(__file__).parent / "report.css"


def render_page(context: ReportContext, data: ReportData) -> str:
    """Return the report as an HTML document."""
    sections = (
        ("summary", "Summary", render_summary(context, data)),
        ("reasons", "Refusals by reason", render_reasons(context, data)),
        ("denials", "Denials by rule", render_denials(context, data)),
        ("held", "Held transactions", render_held(data)),
        ("integrity", "Integrity", render_integrity(context)),
        ("identity", "Proofs of identity", render_identity(data)),
        ("decisions", "Decisions", render_decisions(data)),
        ("machines", "States and transitions", render_machines(context, data)),
        ("acts", "Acts", render_acts(data)),
        ("policies", "Policies in force", render_policies(context, data)),
    )
    return render_document(
        "Audit report",
        header=render_head(context, data),
        sections=sections,
        look=load_style() + _STYLE_SHEET.read_text("utf-8"),
    )
