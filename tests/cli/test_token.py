"""`authguard token`: a token is checked as the guard does, and minted in the shapes of providers for trials."""

from __future__ import annotations

import io
import json
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.output import FAILED, INVALID, OK, USAGE
from authguard.clock import SystemClock
from authguard.policy.loading.preset import list_presets, load_preset
from authguard.testing import Mint

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://idp.example"


class Shell:
    """Runs commands in this process, in one folder."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._capsys, self._monkeypatch, self.folder = capsys, monkeypatch, folder
        monkeypatch.chdir(folder)

    def run(self, *arguments: str, stdin: str | bytes = b"") -> tuple[int, str, str]:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as end:
            main(arguments)
        out, err = self._capsys.readouterr()
        return int(end.value.code or 0), out, err

    def mint(self, *arguments: str) -> str:
        code, out, err = self.run("token", "mint", *arguments)
        assert code == OK, err
        return out.strip()

    def init(self, *arguments: str) -> None:
        code, _, err = self.run("policy", "init", "shop", "--yes", "--keys", "trial-keys.json", *arguments)
        assert code == OK, err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    return Shell(capsys, monkeypatch, tmp_path)


@pytest.fixture
def shop(shell: Shell) -> Shell:
    """A folder with trial keys and a policy `shop` of a generic issuer."""
    shell.mint("--provider", "generic")
    shell.init("--issuer", ISSUER, "--audience", "shop")
    return shell


def test_an_accepted_token_is_shown_claim_by_claim_with_what_it_is_worth(shop: Shell) -> None:
    token = shop.mint("--provider", "generic", "--issuer", ISSUER, "--audience", "shop", "--scope", "chat pay")
    code, out, _ = shop.run("token", "check", "shop", stdin=token)
    assert code == OK
    assert out.startswith("accepted: a person, level aal1\n")
    assert 'subject     "customer-1"  from sub' in out
    assert "chat: sufficient" in out
    assert "pay: needs a sign-in of level aal2; this one has aal1" in out
    assert "profile: needs the scope profile" in out
    assert "health" not in out


@pytest.mark.parametrize(("evidence", "said"), [("", True), (", evidence: any", False)])
def test_an_accepted_token_that_opens_no_session_says_why(shell: Shell, evidence: str, *, said: bool) -> None:
    token = shell.mint("--provider", "keycloak", "--kind", "access-direct")
    given = ("--issuer", "https://keycloak.example/realms/shop", "--audience", "shop")
    shell.init("--provider", "keycloak", *given)
    policy = shell.folder / "shop" / "policy.yaml"
    text = policy.read_text()
    assert "provider: keycloak" in text
    policy.write_text(text.replace("provider: keycloak", f"provider: keycloak{evidence}".replace(", ", "\n    "), 1))
    code, out, _ = shell.run("token", "check", "shop", stdin=token)
    assert code == OK
    assert ("\n  but it has no `auth_time`, so it opens no session; write `evidence: any`" in out) is said


def test_every_obstacle_is_named_at_once_with_what_to_write(shop: Shell) -> None:
    token = shop.mint("--provider", "keycloak", "--issuer", ISSUER, "--audience", "other")
    code, out, _ = shop.run("token", "check", "shop", stdin=token)
    assert code == INVALID
    assert out.startswith("refused: type-refused")
    assert "write `type: any`" in out
    assert "audience: ['shop', 'other']" in out


@pytest.mark.parametrize(
    ("issuer", "advice"),
    [
        (f"{ISSUER}/", f"write `issuer: '{ISSUER}/'` instead of"),
        (f"{ISSUER}/realms/shop", "of the same host"),
        ("https://dev-1.okta.com/oauth2/default", "provider: okta"),
        ("https://login.microsoftonline.com/x/v2.0", "provider: entra"),
        ("https://accounts.google.com", "provider: google"),
        ("https://sso.shop.test/realms/shop", "provider: keycloak"),
        ("https://idp.shop.test", "add `issuers: [{issuer: 'https://idp.shop.test'"),
        ("http://[", "add `issuers: [{issuer: 'http://['"),
        ("kubernetes/serviceaccount", "add `issuers: [{issuer: 'kubernetes/serviceaccount'"),
    ],
)
def test_an_unknown_issuer_leads_to_the_line_to_write(shop: Shell, issuer: str, advice: str) -> None:
    token = shop.mint("--provider", "generic", "--issuer", issuer, "--audience", "shop")
    code, out, _ = shop.run("token", "check", "shop", stdin=token)
    assert code == INVALID
    assert "refused: issuer-unknown" in out
    assert advice in out


def test_what_the_issuer_must_change_is_told_for_each_kind_of_refusal(shop: Shell) -> None:
    mint = Mint.create(SystemClock(), issuer=ISSUER, audience="shop")
    cases = {
        mint.mint(alg="HS256"): "asymmetric algorithm",
        mint.mint(drop=["aud"], client_id="app-9"): "audience: {claim: client_id, values: ['app-9']}",
        mint.mint(drop=["sub"]): "claims: {subject: CLAIM}",
        mint.mint(drop=["iat"]): "max_lifetime: 0s",
        mint.mint(lifetime=86_400.0): "max_lifetime: 24h",
        mint.mint(lifetime=-100.0): "get a new token",
        mint.mint(nbf=SystemClock().now() + 900): "compare the clocks: `nbf`",
        mint.mint(cnf={"jkt": "A" * 43}): "sender_constraint: dpop",
        mint.mint(typ="JWT", nonce="n"): "looks like an ID token",
        mint.mint(sid=7): "elsewhere than in `sid`",
        mint.mint(): "keys.json",
    }
    for token, advice in cases.items():
        code, out, _ = shop.run("token", "check", "shop", stdin=token)
        assert code == INVALID
        assert advice in out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a.b.c", "no strict JWT"),
        ("opaque", "add `introspection"),
        ("a.b.c.d.e", "encrypted tokens (JWE) are not supported"),
    ],
)
def test_what_is_no_signed_token_is_told_as_what_it_is(shop: Shell, given: str, said: str) -> None:
    code, out, _ = shop.run("token", "check", "shop", stdin=given)
    assert code == INVALID
    assert said in out


@pytest.mark.parametrize("given", [b"", b"a b", "t\u00f6ken".encode(), b"x" * 20_000, b"a\nb"])
def test_what_is_not_one_token_is_an_error(shop: Shell, given: bytes) -> None:
    code, out, err = shop.run("token", "check", "shop", stdin=given)
    assert code == FAILED
    assert not out
    assert "token" in err


@pytest.mark.parametrize("prefix", ["Bearer ", "bearer   ", "Authorization: Bearer "])
def test_a_copied_header_is_a_token_too(shop: Shell, prefix: str) -> None:
    token = shop.mint("--provider", "generic", "--issuer", ISSUER, "--audience", "shop")
    assert shop.run("token", "check", "shop", stdin=f"{prefix}{token}\n")[0] == OK


def test_json_has_the_verdict_the_facts_the_obstacles_and_the_operations(shop: Shell) -> None:
    token = shop.mint("--provider", "generic", "--issuer", ISSUER, "--audience", "shop")
    code, out, _ = shop.run("token", "check", "shop", "--json", stdin=token)
    found = json.loads(out)
    assert (code, found["accepted"], found["reason"], found["obstacles"]) == (OK, True, "", [])
    assert {"name": "chat", "lacks": ""} in found["operations"]
    assert {"name": "subject", "source": "sub", "value": '"customer-1"'} in found["facts"]


def test_nothing_is_stored_and_no_terminal_sequence_is_printed(shop: Shell) -> None:
    before = sorted(path.name for path in shop.folder.rglob("*"))
    token = shop.mint("--provider", "generic", "--issuer", ISSUER, "--audience", "\x1b[2Jshop")
    _, out, _ = shop.run("token", "check", "shop", stdin=token)
    assert "\x1b" not in out
    assert sorted(path.name for path in shop.folder.rglob("*")) == before


def test_trial_keys_are_private_and_used_again(shell: Shell) -> None:
    shell.mint("--provider", "okta")
    private = shell.folder / "trial-keys.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    first = private.read_bytes()
    shell.mint("--provider", "supabase")
    assert private.read_bytes() == first
    assert {key["alg"] for key in json.loads((shell.folder / "trial-keys.json").read_text())["keys"]} == {
        "RS256",
        "ES256",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--provider", "oktaa"), USAGE, "okta"),
        (("--provider", "okta", "--kind", "acess"), USAGE, "access"),
        (("--provider", "google", "--strong"), USAGE, "step-up"),
        (("--provider", "okta", "--keys", "missing/keys.json"), FAILED, "--keys"),
    ],
)
def test_a_wrong_request_for_a_token_says_what_to_write(
    shell: Shell, arguments: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = shell.run("token", "mint", *arguments)
    assert (found, out) == (code, "")
    assert said in err


def test_a_file_that_is_no_file_of_trial_keys_is_named(shell: Shell) -> None:
    (shell.folder / "trial-keys.pem").write_text("no key")
    code, _, err = shell.run("token", "mint", "--provider", "okta")
    assert code == FAILED
    assert "trial-keys.json" in err


@pytest.mark.parametrize("provider", list_presets())
def test_from_init_to_a_checked_token_in_four_commands(shell: Shell, provider: str) -> None:
    example = load_preset(provider).example
    given = ("--issuer", example["issuer"], "--audience", example["audience"])
    token = shell.mint("--provider", provider, *given)
    shell.init("--provider", provider, *given)
    assert shell.run("policy", "check", "shop")[0] == OK
    person = provider not in {"kubernetes", "spiffe"}  # no token of a workload reaches the rules for customers
    code, out, _ = shell.run("policy", "test", "shop", "--fail-under", "100" if person else "0")
    assert code == OK, out
    code, out, _ = shell.run("token", "check", "shop", stdin=token)
    assert code == OK, out
    assert out.startswith("accepted: a person" if person else "accepted: a machine")
    assert ("chat: sufficient" if person else "chat: needs the machine") in out


@pytest.mark.parametrize(("text", "said"), [("{}", "JWK Set"), ("no json", "JWK Set"), ('{"keys": []}', "no key")])
def test_keys_that_verify_nothing_are_refused_before_anything_is_written(shell: Shell, text: str, said: str) -> None:
    (shell.folder / "k.json").write_text(text)
    code, _, err = shell.run("policy", "init", "shop", "--yes", "--keys", "k.json")
    assert code == USAGE
    assert said in err
    assert not (shell.folder / "shop").exists()


def test_an_unknown_provider_is_told_with_the_nearest_one(shell: Shell) -> None:
    code, _, err = shell.run("policy", "init", "shop", "--yes", "--provider", "octa")
    assert code == USAGE
    assert "okta" in err
