"""Tests of `authguard policy explain --request`: what it says is what a guard answers, and it keeps every secret."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.cli import main
from authguard.cli.output import FAILED, OK, USAGE
from tests.advisories.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path

PAYMENT = {"amount": "20", "currency": "EUR"}
REFUND = "POST /orders/1/refund"
#: claims that no output may contain
SECRETS = ("carol-of-the-bank", "client-in-secret", "session-in-secret", "urn:example:nothing")


class Asked:
    """A deployment, and the questions about it that are also sent to it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.scene = Scene(folder)

    def call(self, *arguments: str) -> tuple[int, str, str]:
        at = str(int(self.scene.clock.now()))
        with pytest.raises(SystemExit) as end:
            main(("policy", "explain", str(self.folder / "policy.yaml"), "--at", at, *arguments))
        out, err = self.capsys.readouterr()
        return int(end.value.code or 0), out, " ".join(err.replace("│", "").split())

    def file(self, name: str, content: str) -> str:
        path = self.folder / name
        path.write_text(content, "utf-8")
        return str(path)

    def explain(self, line: str, token: str | None, body: object, *more: str) -> dict[str, Any]:
        files = () if token is None else ("--token", self.file("token", token))
        files += () if body is None else ("--body", self.file("body", json.dumps(body)))
        code, out, err = self.call("--request", line, *files, *more, "--json")
        assert (code, err) == (OK, "")
        found: dict[str, Any] = json.loads(out)
        return found

    def decide(self, line: str, token: str | None, body: object, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
        method, _, path = line.partition(" ")
        sent = () if token is None else ((b"authorization", b"Bearer " + token.encode()),)
        sent += () if body is None else ((b"content-type", b"application/json"),)
        content = b"" if body is None else json.dumps(body).encode()
        anyio.run(partial(self.scene.send, *sent, *headers, method=method, path=path, body=content))
        return next(line for line in reversed(self.scene.log()) if line["kind"] == "decision")


@pytest.fixture
def asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    return Asked(tmp_path, capsys)


KEY = (b"idempotency-key", b"first-1")
STRONG = {"scope": "chat accounts refunds", "acr": "aal2"}


@pytest.mark.parametrize(
    ("line", "claims", "body", "outcome"),
    [
        ("POST /chat", {}, None, "allow"),
        ("GET /balance", STRONG, None, "allow"),
        ("GET /balance", {"scope": "accounts", "acr": "aal1"}, None, "verify"),
        ("GET /balance", {"scope": "chat", "acr": "aal2"}, None, "deny"),
        ("GET /balance", {**STRONG, "account_status": "locked"}, None, "handoff"),
        ("GET /balance", {**STRONG, "account_status": "never heard of"}, None, "handoff"),
        ("POST /chat", {"aud": "https://another.test"}, None, "challenge"),
        ("POST /chat", {"lifetime": -100.0}, None, "challenge"),
        ("POST /chat", {"act": {"sub": "unheard-of"}}, None, "deny"),
        (REFUND, STRONG, PAYMENT, "allow"),
        (REFUND, STRONG, {"amount": "501", "currency": "EUR"}, "hold"),
        (REFUND, STRONG, {"amount": "20", "currency": "USD"}, "deny"),
        (REFUND, STRONG, {"total": "20"}, "deny"),
        (REFUND, {**STRONG, "act": {"sub": "concierge"}}, PAYMENT, "hold"),
        (REFUND, {**STRONG, "auth_time": 1_600_000_000}, PAYMENT, "step_up"),
        (REFUND, {**STRONG, "acr": "aal1"}, PAYMENT, "verify"),
        ("POST /unheard-of", STRONG, None, "allow"),
    ],
)
def test_a_request_is_explained_as_the_guard_decides_it(
    asked: Asked, line: str, claims: dict[str, Any], body: object, outcome: str
) -> None:
    token = asked.scene.good(**claims)
    found = asked.explain(line, token, body, "--header", "Idempotency-Key: first-1")
    decided = asked.decide(line, token, body, KEY)
    decision = found["decision"]
    assert found["outcome"] == decided["outcome"] == outcome
    assert found["operation"] == decided["operation"]
    assert decision["rule"] == decided["rule"]
    assert decision["fallback"] == decided["fallback"]
    assert [one["value"] for one in decision["values"]][: len(decided["cell"])] == decided["cell"]
    assert found["reason"] == decided.get("reason", "decided")
    assert found["unchecked"] == ""  # the policy has the issuer's keys in a file


def test_a_forged_signature_is_found_by_the_key_file(asked: Asked) -> None:
    forged = asked.scene.mint.rotated("ES256").mint(scope="chat", account_status="ok")
    found = asked.explain("POST /chat", forged, None)
    decided = asked.decide("POST /chat", forged, None)
    assert (found["outcome"], found["reason"]) == (decided["outcome"], decided.get("reason", "decided"))
    assert found["needs"] == [{"need": "a credential", "source": "", "found": "it is rejected", "met": False}]


def test_without_keys_the_output_says_that_the_signature_was_not_checked(asked: Asked) -> None:
    path = asked.folder / "policy.yaml"
    path.write_text(path.read_text("utf-8").replace("keys: {file: keys.json}", "keys: discovery"), "utf-8")
    forged = asked.scene.mint.rotated("ES256").mint(scope="chat", account_status="ok")
    code, out, _ = asked.call("--request", "POST /chat", "--token", asked.file("token", forged))
    assert code == OK
    assert out.startswith("allow: POST /chat")
    assert "note: the signature was not checked: the policy has no key file for this issuer" in out


def test_claims_are_enough_and_no_value_of_them_is_printed(asked: Asked) -> None:
    mint = asked.scene.mint
    claims = mint.claims(sub=SECRETS[0], client_id=SECRETS[1], sid=SECRETS[2], acr=SECRETS[3], scope="refunds")
    token = asked.file("claims", json.dumps(claims))
    body = asked.file("body", json.dumps(PAYMENT))
    for more in ((), ("--json",), ("--all",)):
        code, out, err = asked.call("--request", REFUND, "--token", token, "--body", body, *more)
        assert (code, err) == (OK, "")
        assert "no signature was checked" in out
        assert not [one for one in SECRETS if one in out]
    assert "level `aal2`" in out
    assert "NO   a sign-in of level `aal2` (acr): no level that the policy knows" in out
    assert "yes  an amount (/amount): 20 EUR" in out


def test_each_need_says_where_it_was_read_and_what_was_found(asked: Asked) -> None:
    token = asked.scene.good(scope="chat", acr="aal1", auth_time=1_600_000_000)
    found = asked.explain(REFUND, token, {"amount": "700", "currency": "EUR"})
    needs = {one["need"]: one for one in found["needs"]}
    assert needs["scope `refunds`"] == {
        "need": "scope `refunds`",
        "source": "scope",
        "found": "the token lacks `refunds`",
        "met": False,
    }
    assert needs["a sign-in of level `aal2`"]["found"] == "it is `aal1`"
    assert needs["a key against repeats"]["met"] is False
    assert needs["an amount"]["found"] == "700 EUR"
    assert needs["at most 500 EUR per call"]["found"] == "exceeded"
    assert needs["at most 5 calls in 10 min by session"]["found"] == "within"
    assert needs["a known account"] == {
        "need": "a known account",
        "source": "account_status",
        "found": "the account is `normal`",
        "met": True,
    }


def test_a_request_that_no_operation_takes_names_those_that_it_nearly_matches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked(tmp_path, capsys)
    path = tmp_path / "policy.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("otherwise: {risk: sensitive, effect: write}", "otherwise: deny"), "utf-8")
    code, out, _ = asked.call("--request", "GET /chat")
    assert code == OK
    assert out.startswith("refused: GET /chat")
    assert "nearly: chat (POST /chat): it takes POST, not GET" in out
    assert "operation-unnamed, HTTP 404" in out
    assert "match: {path: /chat, method: GET}" in out
    _, out, _ = asked.call("--request", "GET /balances")
    assert "nearly: balance (GET /balance): the path has `balances` in place of `balance`" in out
    _, out, _ = asked.call("--request", "GET /live")
    assert "nearly: live (websocket /live): it takes WebSockets" in out
    _, out, _ = asked.call("--request", "websocket /live")
    assert "It is the operation live (routine read), which takes websocket /live." in out


def test_states_are_supposed(asked: Asked) -> None:
    token = asked.scene.good(**STRONG)
    assert asked.explain("GET /balance", token, None, "--state", "service=rolled_back")["outcome"] == "handoff"
    assert asked.explain("GET /balance", token, None, "--account", "locked")["outcome"] == "handoff"
    idle = asked.explain("GET /balance", token, None, "--state", "session=idle")
    assert idle["decision"]["fallback"] == "sign_in_fresh"
    assert "it is the first request of its session" not in idle["supposed"]
    over = {"amount": "501", "currency": "EUR"}
    approved = asked.explain(REFUND, token, over, "--header", "Idempotency-Key: a", "--state", "transaction=approved")
    assert approved["outcome"] == "allow"


def test_the_ways_out_are_those_of_explain(asked: Asked) -> None:
    token = asked.scene.good(**{**STRONG, "auth_time": 1_600_000_000})
    code, out, _ = asked.call(
        *("--request", REFUND, "--token", asked.file("t", token), "--body", asked.file("b", json.dumps(PAYMENT)))
    )
    assert code == OK
    assert "assurance: stale -> met, by the customer, by signing in at `aal2` within 5m" in out


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("--request", "chat"), USAGE, "`chat` is not a request; write a method and a path"),
        (("--request", "POST /chat\x1b[31m"), USAGE, "is not a request"),
        (("--request", "GET /%ff"), USAGE, "the path is not UTF-8"),
        (("--request", "POST /chat", "--operation", "chat"), USAGE, "leave out --operation"),
        (("--request", "POST /chat", "--channel-change", "same"), USAGE, "leave out --channel-change"),
        (("--request", "POST /chat", "--header", "X-Channel"), USAGE, "write a header as `Name: value`"),
        (("--request", "POST /chat", "--header", "Authorization: Bearer abc"), USAGE, "give the token with --token"),
        (("--request", "POST /chat", "--header", "Cookie: token=abc"), USAGE, "give the token with --token"),
        (("--request", "POST /chat", "--header", "Authguard-Transaction: 1"), USAGE, "no transaction is stored here"),
        (("--request", "POST /chat", "--account", "nothing"), USAGE, "`nothing` is not a state of `account`"),
        (("--request", "POST /chat", "--token", "gone"), FAILED, "`gone` cannot be read: No such file"),
        (("--request", "POST /chat", "--body", "gone"), FAILED, "`gone` cannot be read: No such file"),
        (("--token", "gone", "--operation", "chat"), USAGE, "it needs --request"),
    ],
)
def test_bad_input_gets_one_clear_error(asked: Asked, arguments: tuple[str, ...], code: int, error: str) -> None:
    found, out, err = asked.call(*arguments)
    assert (found, out) == (code, "")
    assert error in err


def test_a_time_that_is_none_is_refused(asked: Asked) -> None:
    found, _, err = asked.call("--request", "POST /chat", "--at", "soon")
    assert found == USAGE
    assert "`soon` is not a time" in err


@pytest.mark.parametrize("content", ['{"iss": 1, "iss": 2}', '{"sub": "whom', "two tokens", ""])
def test_a_token_file_without_a_token_is_refused_without_its_content(asked: Asked, content: str) -> None:
    code, out, err = asked.call("--request", "POST /chat", "--token", asked.file("token", content))
    assert (code, out) == (FAILED, "")
    assert "claims" in err
    assert "whom" not in err


def test_files_are_bounded(asked: Asked) -> None:
    token = asked.scene.good(**STRONG)
    large = asked.explain("POST /chat", "a" * 20_000, None)
    assert (large["outcome"], large["reason"]) == ("challenge", "token-too-large")
    body = {"amount": "1", "currency": "EUR", "note": "x" * 1_100_000}
    found = asked.explain(REFUND, token, body)
    assert (found["outcome"], found["reason"], found["status"]) == ("refused", "body-too-large", 413)
    deep = asked.explain(REFUND, token, {"items": [0] * 60_000})
    assert deep["reason"] == "body-too-complex"


def test_an_endpoint_of_the_guard_is_explained_too(asked: Asked) -> None:
    found = asked.explain("GET /.authguard/session", asked.scene.good(), None)
    assert (found["operation"], found["outcome"]) == ("authguard.session", "allow")


def test_a_later_time_finds_the_token_expired(asked: Asked) -> None:
    late = asked.explain("POST /chat", asked.scene.good(), None, "--at", str(int(asked.scene.clock.now()) + 3_600))
    assert (late["outcome"], late["reason"]) == ("challenge", "token-expired")


OWN = """\
otherwise: {risk: sensitive, effect: write}
flags:
  changed: {by: subject, expires: 24h, set_by: [{operation: chat, event: started}]}
conditions:
  desk:
    from: {time_zone: Europe/Berlin}
    values: {open: 'Mo-Fr 08:00-18:00'}
    default: closed
  segment:
    from: {header: X-Segment, secret_header: X-Segment-Secret, secret_env: SEGMENT_SECRET}
    values: [vip]
    default: plain
  country: {from: {claim: country}, values: {home: [DE, AT]}, default: abroad}
decisions:
  - {when: {operation: balance, changed: set}, do: cooling_off}
  - {when: {operation: refund, desk: closed, transaction: none}, do: desk_closed}
  - {when: {operation: balance, segment: plain, country: abroad}, do: refuse}
fallbacks:
  cooling_off: {kind: retry, status: 409, after: expiry}
  desk_closed: {kind: retry, status: 409, after: expiry}
"""


@pytest.fixture
def owned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    """A deployment with a flag and conditions of its own."""
    found = Asked.__new__(Asked)
    found.folder, found.capsys = tmp_path, capsys
    changed = (("otherwise: {risk: sensitive, effect: write}\n", OWN),)
    found.scene = Scene(tmp_path, replace=changed, environ={"SEGMENT_SECRET": "s" * 32})
    return found


def test_flags_and_conditions_of_the_policy_are_asked_as_the_guard_asks_them(owned: Asked) -> None:
    token = owned.scene.good(**STRONG, country="DE")
    found = owned.explain("GET /balance", token, None)
    assert found["outcome"] == "allow"
    needs = {one["need"]: (one["source"], one["found"]) for one in found["needs"]}
    assert needs["the condition `country`"] == ("country", "it is `home`")
    assert needs["the flag `changed`"] == ("by subject", "it is clear")
    assert owned.decide("GET /balance", token, None)["outcome"] == "allow"
    abroad = owned.scene.good(**STRONG, country="XX")
    assert owned.explain("GET /balance", abroad, None)["decision"]["fallback"] == "refuse"
    assert owned.decide("GET /balance", abroad, None)["fallback"] == "refuse"
    vip = owned.explain("GET /balance", abroad, None, "--header", "X-Segment: vip")
    assert vip["outcome"] == "allow"
    secret = (b"x-segment-secret", b"s" * 32)
    assert owned.decide("GET /balance", abroad, None, (b"x-segment", b"vip"), secret)["outcome"] == "allow"
    owned.decide("POST /chat", token, None)  # sets the flag
    decided = owned.decide("GET /balance", token, None)
    cooled = owned.explain("GET /balance", token, None, "--state", "changed=set")
    assert cooled["decision"]["fallback"] == decided["fallback"] == "cooling_off"
    assert cooled["decision"]["rule"] == decided["rule"]


@pytest.mark.parametrize(
    ("at", "fallback"),
    [("2023-11-15T09:00:00+00:00", "allow"), ("2023-11-15T20:00:00+00:00", "desk_closed")],
)
def test_the_clock_of_a_condition_is_the_time_asked_for(owned: Asked, at: str, fallback: str) -> None:
    moment = int(datetime.fromisoformat(at).timestamp())
    times = {"iat": moment, "exp": moment + 60, "auth_time": moment}
    token = json.dumps(owned.scene.mint.claims(**STRONG, account_status="ok", **times))
    key = ("--header", "Idempotency-Key: k", "--at", at)
    assert owned.explain(REFUND, token, PAYMENT, *key)["decision"]["fallback"] == fallback


def test_a_cell_takes_flags_conditions_and_an_amount(owned: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    def outcome(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            main(("policy", "explain", str(owned.folder / "policy.yaml"), "--operation", *arguments, "--json"))
        return str(json.loads(capsys.readouterr().out)["fallback"])

    proven = ("--state", "account=normal,verification=verified")
    assert outcome("balance", *proven, "--condition", "segment=vip") == "allow"
    assert outcome("balance", *proven, "--state", "changed=set") == "cooling_off"
    assert outcome("balance", *proven, "--condition", "segment=plain,country=abroad") == "refuse"
    opened = ("--at", "2023-11-15T09:00Z")
    assert outcome("refund", *proven, *opened, "--amount", "499 EUR") == "allow"
    assert outcome("refund", *proven, *opened, "--amount", "501 EUR") == "await_approval"
    assert outcome("refund", *proven, "--at", "2023-11-15T20:00Z", "--amount", "499 EUR") == "desk_closed"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("--operation", "balance", "--state", "chnged=set"),
            "`chnged` is not a machine or a flag",
        ),
        (("--operation", "balance", "--state", "changed=on"), "`on` is not a state of `changed`"),
        (("--operation", "balance", "--condition", "desk"), "`desk` has no value; write NAME=VALUE"),
        (("--operation", "balance", "--condition", "dsk=open"), "`dsk` is not a condition of the policy"),
        (("--operation", "balance", "--condition", "desk=ajar"), "`ajar` is not a value of `desk`"),
        (("--operation", "balance", "--amount", "1 EUR"), "it needs --operation, one with limits in money"),
        (("--operation", "refund", "--amount", "1"), "three letters"),
        (("--operation", "refund", "--amount", "1 EUR", "--limit", "within"), "leave out --limit"),
        (("--request", "GET /balance", "--amount", "1 EUR"), "the body has the amount"),
    ],
)
def test_wrong_names_and_values_are_refused(owned: Asked, arguments: tuple[str, ...], error: str) -> None:
    code, out, err = owned.call(*arguments)
    assert (code, out) == (USAGE, "")
    assert error in err
