"""What the checks say of flags: their polarity, and setters that do not fit it."""

from __future__ import annotations

import pytest

from authguard.policy.checks.flags import find_polarities, with_polarity
from authguard.policy.checks.liveness import LivenessGoal, find_flag_cases
from authguard.policy.checks.registry import run_checks
from authguard.policy.compiler import load
from authguard.policy.loading.loader import load_draft
from tests.support.harness import POLICY

SET = "{when: {credential: good, session: active, risk: high, hurried: set}, do: later}"
CLEAR = "{when: {credential: good, session: active, risk: high, hurried: clear}, do: later}"
TEXT = POLICY.replace("    idempotency: required\n", "    payee: {at: /to}\n    idempotency: required\n")


def text_of(body: str, *rules: str, more: str = "") -> str:
    listed = "".join(f"  - {rule}\n" for rule in rules)
    decisions = f"decisions:\n{listed}" if rules else ""
    fallbacks = f"fallbacks:\n  later: {{kind: deny}}\n{more}"
    return f"{TEXT}\n{decisions}{fallbacks}flags:\n  hurried: {{{body}}}\n"


def messages(body: str, *rules: str, more: str = "") -> list[str]:
    found = load_draft("x.yaml", text=text_of(body, *rules, more=more).encode())
    assert found.draft is not None, found.problems
    return [f"{one.code}: {one.message}" for one in run_checks(found.draft) if one.severity == "error"]


RESTRICTING = "by: subject, expires: 24h, "
PERMITTING = "by: session, expires: 1h, "


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (RESTRICTING + "set_by: [{operation: refund, event: started}]", SET),
        (RESTRICTING + "set_by: [{operation: refund, event: [started]}]".replace("[started]", "denied"), SET),
        (RESTRICTING + "set_by: [{operation: refund, event: lapsed}, {app: report}, {role: x}]", SET),
        ("by: payee, expires: never, set_by: [{role: x}], cleared_by: [{role: x}]", SET),
        ("by: [subject, payee], expires: 1h, set_by: [{operation: refund, event: started}]", SET),
        (PERMITTING + "set_by: [{operation: chat, event: committed}]", CLEAR),
    ],
)
def test_a_flag_that_fits_has_no_problem(body: str, rule: str) -> None:
    assert messages(body, rule) == []


@pytest.mark.parametrize(
    ("body", "rule", "said"),
    [
        (
            RESTRICTING + "set_by: [{operation: refund, event: committed}]",
            SET,
            "flag-late: the flag `hurried` restricts, and `refund` sets it only after the app answered",
        ),
        (
            "by: subject, expires: 1h, set_by: [{operation: refund, event: started}]",
            CLEAR,
            "flag-early: the flag `hurried` permits, and `event: started` sets it without success of the app",
        ),
        (
            PERMITTING + "set_by: [{app: report}]",
            CLEAR,
            "flag-loosens: the flag `hurried` permits, and the app may set only what restricts",
        ),
        (
            "by: session, expires: 1h, set_by: [{app: report}]",
            SET,
            "flag-evaded: the flag `hurried` restricts by session, and a new sign-in is another session",
        ),
        (
            "by: subject, expires: never, set_by: [{app: report}]",
            SET,
            "flag-forever: the flag `hurried` never expires, and no role may clear it",
        ),
        (
            RESTRICTING + "set_by: [{operation: chat, event: failed}]",
            SET,
            "flag-event: `event: failed` never sets the flag `hurried`: `chat` has no transaction",
        ),
        (
            PERMITTING + "set_by: [{operation: live, event: committed}]",
            CLEAR,
            "flag-event: `event: committed` never sets the flag `hurried`: `live` is a WebSocket, without a status",
        ),
        (
            "by: payee, expires: 1h, set_by: [{operation: chat, event: started}]",
            SET,
            "flag-event: `event: started` never sets the flag `hurried`: `chat` names no payee",
        ),
        (
            PERMITTING + "set_by: [{operation: health, event: committed}]",
            CLEAR,
            "flag-event: `event: committed` never sets the flag `hurried`: `health` proves no caller",
        ),
        (
            PERMITTING + "set_by: [{role: desk}]",
            CLEAR,
            "flag-event: the flag `hurried` is kept by session, which no person can name",
        ),
        (
            RESTRICTING + "set_by: [{operation: refunds, event: started}]",
            SET,
            "unknown-name: `refunds` is not an operation or a group",
        ),
    ],
)
def test_a_setter_that_does_not_fit_is_told(body: str, rule: str, said: str) -> None:
    assert said in messages(body, rule)


def rule_of(more: str, do: str) -> str:
    return f"{{when: {{credential: good, session: active, {more}}}, do: {do}}}"


def test_a_flag_that_opens_and_closes_is_told_with_the_answers() -> None:
    known = "service: live, scope: granted, actor: subject"
    opens = rule_of(f"{known}, risk: routine, effect: read, account: locked, hurried: set", "allow")
    (said,) = messages(RESTRICTING + "set_by: [{app: report}]", SET, opens)
    assert said.startswith("flag-mixed: the flag `hurried` opens ")
    assert "becomes `allow`)" in said
    assert "becomes a refusal)" in said


def test_two_holds_of_other_approvers_have_no_order() -> None:
    more = "  by_other: {kind: hold, approvers: {role: controller}}\n"
    held = "risk: high, effect: write, transaction: none"
    rules = rule_of(f"{held}, hurried: set", "by_other"), rule_of(held, "await_approval")
    found = messages(RESTRICTING + "set_by: [{app: report}]", *rules, more=more)
    assert any("flag-mixed" in one and "neither asks for more than the other" in one for one in found)


def test_a_name_of_a_condition_is_taken() -> None:
    text = text_of(RESTRICTING + "set_by: [{app: report}]").replace("hurried:", "account:")
    found = load_draft("x.yaml", text=text.encode()).draft
    assert found is not None
    assert "duplicate-name" in [one.code for one in run_checks(found)]


@pytest.mark.parametrize(("rule", "restricts"), [(SET, True), (CLEAR, False)])
def test_the_compiled_flag_has_the_polarity_of_the_table(rule: str, restricts: bool) -> None:  # noqa: FBT001 - a row
    setters = "{operation: refund, event: started}" if restricts else "{operation: chat, event: committed}"
    text = text_of(f"by: subject, expires: 1h, set_by: [{setters}]", rule)
    assert [flag.restricts for flag in load("x.yaml", text=text.encode()).flags] == [restricts]
    draft = load_draft("x.yaml", text=text.encode()).draft
    assert draft is not None
    assert find_polarities(draft)["hurried"].permits is not restricts
    assert with_polarity(draft)[0].restricts is restricts


RETRY = "  later: {kind: retry, after: 1h}\n"


def liveness(body: str, more: str = "") -> list[str]:
    text = text_of(body, rule_of("risk: high, hurried: set", "later")).replace("  later: {kind: deny}\n", RETRY) + more
    found = load_draft("x.yaml", text=text.encode())
    assert found.draft is not None, found.problems
    return [f"{one.code}: {one.message}" for one in run_checks(found.draft) if one.code in {"trap", "promise-broken"}]


def test_a_flag_that_never_expires_must_leave_a_way_out() -> None:
    setters = "set_by: [{app: report}], cleared_by: [{role: fraud}]"
    assert liveness(f"by: subject, expires: 24h, {setters}") == [], "the clock clears it"
    found = liveness(f"by: subject, expires: never, {setters}")
    assert {one.partition(":")[0] for one in found} == {"trap", "promise-broken"}
    assert all("with `hurried` set" in one for one in found)
    assert liveness(f"by: payee, expires: never, {setters}") == [], "another payee is served"


@pytest.mark.parametrize(
    ("body", "rule", "by", "cases"),
    [
        ("by: subject, expires: 24h, set_by: [{app: report}]", SET, ("caller", "clock"), [("clear",)]),
        ("by: subject, expires: 24h, set_by: [{app: report}]", SET, ("caller",), ["clear", "set"]),
        ("by: subject, expires: never, set_by: [{role: x}], cleared_by: [{role: x}]", SET, (), ["clear", "set"]),
        ("by: session, expires: 1h, set_by: [{operation: chat, event: committed}]", CLEAR, (), [("clear", "set")]),
        ("by: session, expires: 1h, set_by: [{operation: chat, event: committed}]", CLEAR, ("clock",), [("clear",)]),
        ("by: payee, expires: never, set_by: [{role: x}], cleared_by: [{role: x}]", SET, (), [("clear", "set")]),
    ],
)
def test_who_acts_decides_which_values_a_flag_keeps(
    body: str, rule: str, by: tuple[str, ...], cases: list[str]
) -> None:
    draft = load_draft("x.yaml", text=text_of(body, rule).encode()).draft
    assert draft is not None
    goal = LivenessGoal("served", frozenset(), by, "trap", "decisions")
    expected = [(("hurried", (one,) if isinstance(one, str) else one),) for one in cases]
    assert find_flag_cases(draft, goal) == expected
