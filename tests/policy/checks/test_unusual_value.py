"""Values that are allowed and rarely meant are noted with what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.checks.checker import check
from authguard.policy.checks.unusual_value import check_unusual_values

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

HEAD = "authguard: 1\nname: example\nextends: support-desk\n"
PAY = "operations:\n  - {{name: pay, match: {{path: /pay, method: POST}}, risk: high, effect: write, {0}}}\n"
IDP = "issuers:\n  - {{issuer: 'https://idp.example', audience: us, algorithms: [ES256], keys: discovery, {0}}}\n"
OTP = "verifiers:\n  otp: {{type: http, url: 'https://otp.example', {0}}}\n  document: {{type: totp, call: 'a:b'}}\n"
FLAG = (
    "operations:\n  - {{name: pay, match: {{path: /pay, method: POST}}, risk: high, effect: write}}\n"
    "flags:\n  paid: {{by: subject, expires: {0}, set_by: [{{operation: pay, event: started}}]}}\n"
)
TIMER = "timers:\n  - {{event: session.aged, after: {0}, since: signed_in}}\n"


def noted(text: str) -> list[str]:
    problems = check("policy.yaml", text=(HEAD + text).encode()).problems
    return [str(one) for one in problems if one.code == "value-unusual"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("audit: {retention: 1d}\n", "`retention: 1d` is unusual: who looks for a fraud later finds nothing"),
        (TIMER.format("3650d"), "`after: 3650d` is unusual: the session stays as it is for all that time; at most 30d"),
        (TIMER.format("1ms"), "`after: 1ms` is unusual: it is due as soon as it begins; at least 1s is usual"),
        ("fallbacks:\n  ask: {kind: hold, approvers: {role: a, count: 20}}\n", "waits for as many persons; at most 5"),
        (
            "fallbacks:\n  ask: {kind: step_up, attempts: 1000, per: 1s, then: refuse}\n",
            "`attempts: 1000` is unusual: a guess succeeds sooner; at most 100 is usual",
        ),
        (
            "fallbacks:\n  ask: {kind: step_up, attempts: 3, per: 1s, then: refuse}\n",
            "`per: 1s` is unusual: the attempts begin anew at once; at least 1m is usual",
        ),
        ("fallbacks:\n  wait: {kind: retry, after: 1ms}\n", "`Retry-After` has whole seconds"),
        ("rollback: {authority: {engage: {role: operations, count: 9}}}\n", "nobody finds so many in an emergency"),
        (PAY.format("assurance: {max_age: 1s}"), "no answer comes before the sign-in is too old again"),
        (PAY.format("limits: [{calls: 5, per: 1ms}]"), "it limits only what comes at the same time"),
        (IDP.format("max_lifetime: 365d"), "a stolen token passes for all that time; at most 7d is usual"),
        (IDP.format("stale_keys: 365d"), "withdrawn keys count for all that time"),
        (OTP.format("timeout: 1ms"), "every call takes longer and fails; at least 10ms is usual"),
        (OTP.format("breaker: {failures: 3, open_for: 30d}"), "it is not asked for all that time"),
        (FLAG.format("1ms"), "`expires: 1ms` is unusual: it is clear again before the next request"),
        (FLAG.format("3650d"), "write `never`, or the time that is meant; at most 366d is usual"),
        ("budget: {request: 1d}\n", "a request waits for all that time; at most 1m is usual"),
    ],
)
def test_an_unusual_value_is_noted_with_its_consequence_and_the_usual_bound(text: str, says: str) -> None:
    assert any(says in problem and ": note[" in problem for problem in noted(text)), noted(text)


def test_usual_values_and_keys_that_are_not_written_are_no_problem(standard_draft: Draft) -> None:
    assert list(check_unusual_values(standard_draft)) == []
    assert noted(PAY.format("assurance: {max_age: 5m}, limits: [{calls: 5, per: 1d}]")) == []
    assert noted("audit: {retention: 365d}\n") == []
