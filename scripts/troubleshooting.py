"""Write docs/troubleshooting.md, every reason with its reply, its meaning and its remedy; `--check` compares the page.

Rule: the text before the tables is `troubleshooting_head.md`. The rows come from the closed reasons and their texts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.cli.reason_cure import CURES
from authguard.cli.reason_text import describe_reason
from authguard.core.outcomes import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOW: Final = "python scripts/troubleshooting.py"
PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "troubleshooting.md"

HEAD: Final = Path(__file__).with_name("troubleshooting_head.md").read_text("utf-8")

#: heading, text, and the reasons by their status: 0 is decided by the table
GROUPS: Final = (
    (
        "401: sign in again",
        "The outcome is `challenge` or `terminate`, and `WWW-Authenticate` has the error `invalid_token`.",
        {401},
    ),
    ("400, 404, 413, 421 and 422: the request", "The table is not asked.", {400, 404, 408, 413, 421, 422}),
    ("403 and 409: approvals, staff and origins", "The caller is known, but the act is not allowed.", {403, 409}),
    ("429 and 503: try again", "The reply has `Retry-After`.", {429, 503}),
    (
        "Decided by the table",
        "The reply is that of the policy's fallback, such as 403 `deny`, 401 `step_up` or 202 `hold`.",
        {0},
    ),
)


def rows(statuses: set[int]) -> Iterator[str]:
    """Yield a row for each reason with one of the statuses."""
    for reason in Reason:
        if reason.status in statuses:
            seen = f"{reason.status}: {reason.public}" if reason.status else "the policy's text"
            meaning = describe_reason(reason.code) or "the decision table decided, by the state and the request"
            cells = (f"`{reason.code}`", seen, meaning, CURES[reason])
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for heading, text, statuses in GROUPS:
        table = "\n".join(
            ("| reason in the log | caller sees | meaning | remedy |", "|---|---|---|---|", *rows(statuses))
        )
        parts.append(f"## {heading}\n\n{text}\n\n{table}\n")
    return "\n".join(parts)


def main(wanted: Sequence[str]) -> int:
    """Write the page, or compare it; return the exit code."""
    if wanted not in ([], ["--check"]):
        sys.stderr.write(f"usage: {HOW} [--check]\n")
        return 2
    if not wanted:
        PAGE.write_text(page(), "utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text("utf-8") != page():
        sys.stderr.write(f"docs/troubleshooting.md differs from the reasons in the code: run `{HOW}`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
