"""A rule that names opening hours or a flag may refuse what was approved before: a note says so."""

from __future__ import annotations

import pytest

from authguard.policy.checks.approval_waste import check_wasted_approvals
from authguard.policy.loading.loader import load_draft

POLICY = """\
authguard: 1
name: desk
extends: support-desk
issuers: [{issuer: 'https://idp.example', audience: desk, algorithms: [ES256], keys: discovery}]
conditions:
  desk: {from: {time_zone: Europe/Berlin}, values: {open: 'Mo-Fr 08:00-18:00'}, default: closed}
flags:
  status_read: {by: session, expires: 1h, set_by: [{operation: chat, event: committed}]}
  seen: {by: session, expires: never, set_by: [{operation: chat, event: committed}]}
decisions:
"""


@pytest.mark.parametrize(
    ("when", "name"),
    [
        ("desk: closed, risk: high", "desk"),
        ("status_read: clear, risk: high", "status_read"),
        ("desk: closed, risk: high, transaction: none", ""),
        ("status_read: set, risk: high", ""),
        ("seen: clear, risk: high", ""),
    ],
)
def test_what_time_alone_brings_about_is_noted(when: str, name: str) -> None:
    text = f"{POLICY}  - {{phase: request, when: {{{when}}}, do: refuse}}\n"
    reading = load_draft("desk.yaml", text=text.encode())
    assert reading.draft is not None, reading.problems
    found = list(check_wasted_approvals(reading.draft))
    assert [(one.code, one.severity) for one in found] == [("approval-wasted", "note")] * bool(name)
    assert all(f"as soon as `{name}` changes by time" in one.message for one in found)
