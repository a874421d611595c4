"""Tests of `authguard policy diff`: differences, formats and `--fail-on`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from authguard.cli import main
from authguard.cli.output import INVALID, OK
from tests.support.harness import POLICY

POLICIES = Path(__file__).parents[2] / "policies"
LOOSER = """\
authguard: 1
name: looser
extends: support-desk
decisions:
  - {when: {account: normal, session: active, verification: verified, credential: good, scope: granted, risk: sensitive,
            effect: read, service: live, actor: subject, transaction: none, channel_change: same, assurance: met,
            limit: exceeded}, do: to_a_person}
  - {when: {account: locked, session: active, verification: verified, credential: good, scope: granted, risk: sensitive,
            service: live, actor: subject, transaction: none, channel_change: same, assurance: met,
            limit: within}, do: allow}
"""


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(("policy", "diff", *arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


@pytest.fixture
def looser(tmp_path: Path) -> str:
    """Write a policy that admits locked accounts, and hands over what exceeds a limit instead of letting it wait."""
    (tmp_path / "policy.yaml").write_text(LOOSER, "utf-8")
    return str(tmp_path)


def test_text_tells_the_worst_first_with_the_events_that_lead_there(
    capsys: pytest.CaptureFixture[str], looser: str
) -> None:
    code, out, _ = call(capsys, "support-desk", looser)
    assert code == OK
    lines = out.splitlines()
    assert lines[1] == (
        "looser: decisions: sensitive risk: the answer was `to_a_person` (a person takes over), is now `allow` (the app"
        " answers) (2 cells of the decision table)"
    )
    assert lines[2].startswith("    where service `live`, account `locked`, session `active`, verification `verified`")
    assert lines[3] == "    after session.accepted, account.locked, verification.started, verification.passed"
    assert lines[0] == "support-desk -> looser: 1 looser, 0 may be looser, 1 stricter, 0 changed"


@pytest.mark.parametrize(
    ("fail_on", "old", "expected"),
    [
        ("looser", "support-desk", INVALID),
        ("stricter", "support-desk", INVALID),
        ("any", "support-desk", INVALID),
        ("any", "itself", OK),
    ],
)
def test_it_fails_on_what_it_is_asked_to(
    capsys: pytest.CaptureFixture[str], looser: str, fail_on: str, old: str, expected: int
) -> None:
    assert call(capsys, looser if old == "itself" else old, looser, "--fail-on", fail_on)[0] == expected


def test_json_and_markdown_tell_the_same(capsys: pytest.CaptureFixture[str], looser: str, tmp_path: Path) -> None:
    written = tmp_path / "diff.json"
    code, out, _ = call(capsys, "support-desk", looser, "--format", "json", "--output", str(written))
    assert (code, out) == (OK, "")
    told = json.loads(written.read_text("utf-8"))
    assert [one["direction"] for one in told["differences"]] == ["looser", "stricter"]
    assert told["differences"][0]["cells"] == 2
    _, out, _ = call(capsys, "support-desk", looser, "--format", "markdown")
    assert out.splitlines()[0] == "**support-desk -> looser: 1 looser, 0 may be looser, 1 stricter, 0 changed**"
    assert "\n### Looser (1)\n\n- decisions: sensitive risk: the answer was `to_a_person`" in out
    assert out.count("\n  - where service `live`") == 2


def test_a_policy_that_cannot_be_used_is_not_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("authguard: 1\nname: half\nextends: standard\n", "utf-8")
    code, out, err = call(capsys, "support-desk", str(tmp_path))
    assert (code, out) == (INVALID, "")
    assert "no issuer is declared" in err
    assert err.startswith(f"not valid: {tmp_path}/policy.yaml: ")


def test_two_versions_of_a_policy_are_named_by_their_files_and_periods_are_readable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = POLICY
    assert source.count("500 EUR, per: call") == source.count("max_age: 5m") == 1
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(source, "utf-8")
    new.write_text(
        source.replace("500 EUR, per: call", "900 EUR, per: call").replace("max_age: 5m", "max_age: 10m"), "utf-8"
    )
    code, out, _ = call(capsys, str(old), str(new))
    assert code == OK
    assert out.startswith(f"{old} -> {new}: 2 looser")
    assert "the limit per call was 500 EUR, is now 900 EUR: more is permitted" in out
    assert "`assurance.max_age` (the oldest sign-in that is accepted) was 5 min, is now 10 min" in out


#: one edit of the banking policy -> the sentence that a reviewer reads
SENTENCES = {
    ("scopes: ['payees:write']", "scopes: []"): (
        "looser: operations: high risk: operation `payee`: `scopes` was `payees:write`, is now none: a token needs less"
    ),
    ("amount: 5000 EUR, per: call", "amount: 7500 EUR, per: call"): (
        "looser: operations: high risk: operation `payment`: the limit per call was 5,000 EUR, is now 7,500"
        " EUR: more is"
        " permitted"
    ),
    ("calls: 2, per: 1d", "calls: 1, per: 1d"): (
        "stricter: operations: high risk: operation `payee`: the limit in 1 day for one customer was 2 calls, is now 1"
        " call: less is permitted"
    ),
    ("count: 2}, message", "count: 1}, message"): (
        "looser: fallbacks: fallback `await_approval`: `approvers` were 2 persons with the role `payments-officer`, are"
        " now 1 person with the role `payments-officer`: less approval suffices"
    ),
    ("{event: session.idled, after: 15m", "{event: session.idled, after: 30m"): (
        "looser: timers: in `active`, `session.idled` came after 15 min, comes after 30 min now: a state that"
        " admits more"
        " lasts longer"
    ),
    ("agents: [bank-assistant]", "agents: [bank-assistant, helper]"): (
        "looser: policy: `agents` gains `helper of http://127.0.0.1:9000`: further agents may act for customers"
    ),
    ("leeway: 10s", "leeway: 60s"): (
        "looser: issuers: issuer `http://127.0.0.1:9000`: `leeway` (tolerance for clocks) was 10 s, is now 1"
        " min: expired"
        " tokens are accepted longer"
    ),
    ("frozen: suspended", "frozen: normal"): (
        "looser: accounts: status `frozen` of the claim `account_status` was the state `suspended`, is now"
        " `normal`: more"
        " is admitted in it"
    ),
    ("identity: {credential: aal2}", "identity: {credential: aal1}"): (
        "looser: identity: a sign-in of level `aal2` proved identity; now one of level `aal1` does: a weaker sign-in"
        " suffices"
    ),
    ("subjects: pseudonymous", "subjects: pseudonymous\n  retention: 90d"): (
        "looser: audit: `audit.retention` (time before a tombstone replaces lines, `1h` or more) was without"
        " end, is now"
        " 90 days: records are deleted sooner"
    ),
    ("trusts: {app: [web]", "trusts: {app: [web, voice]"): (
        "looser: channels: proof of identity from `app` counted in `web`, counts in `voice`, `web` now: identity proved"
        " there counts in further channels"
    ),
}


@pytest.mark.parametrize(("edit", "sentence"), SENTENCES.items(), ids=[old for old, _ in SENTENCES])
def test_a_reviewer_reads_one_sentence_with_old_and_new_values_and_what_follows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, edit: tuple[str, str], sentence: str
) -> None:
    text = (POLICIES / "banking" / "policy.yaml").read_text("utf-8")
    assert edit[0] in text
    new = tmp_path / "policy.yaml"
    new.write_text(text.replace(*edit), "utf-8")
    code, out, _ = call(capsys, "banking", str(new))
    assert code == OK
    assert out.splitlines()[1:] == [sentence]


def test_a_policy_cannot_change_the_comment_around_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = (POLICIES / "banking" / "policy.yaml").read_text("utf-8")
    new = tmp_path / "policy.yaml"
    new.write_text(text.replace("a stranger opens nothing", "'<img src=x> & more'"), "utf-8")
    _, out, _ = call(capsys, "banking", str(new), "--format", "markdown")
    assert "- invariants: `&lt;img src=x> &amp; more` is promised now" in out
    assert "<img" not in out
