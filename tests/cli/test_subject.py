"""Accounts are found by name or pseudonym; a name that several issuers know, or an ambiguous start, is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import msgspec
import pytest

from authguard.cli.identifier import hex_range, shorten, strip_urn, text_range
from authguard.cli.output import FAILED, OK, USAGE
from authguard.core.record_keys import account_key
from authguard.core.snapshot import AccountRecord, Keys
from authguard.erasable_pseudonym import ErasablePseudonyms, key_file_path
from authguard.stores.sqlite import SqliteStore
from tests.cli.deployment import POLICY, Deployment, deploy
from tests.stores.samples import BLANK

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "https://idp.example", "https://other.example"
WHY = ("--by", "Ines", "--reason", "why")


@pytest.fixture
def app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Deployment:
    made = deploy(tmp_path, capsys)
    one = POLICY.partition("issuers: [")[2].partition("]\n")[0]
    two = POLICY.replace(one, f"{one}, {one.replace(FIRST, SECOND)}") + "staff: {claim: roles, issuer: []}\n"
    (tmp_path / "policy.yaml").write_text(two, "utf-8")

    async def fill() -> None:
        store = SqliteStore(made.store)
        await store.open()
        for home, name in ((FIRST, "bob"), (SECOND, "bob"), (FIRST, "ann")):
            record = msgspec.structs.replace(BLANK, account=AccountRecord(state="locked", entered=1_700_000_000.0))
            await store.commit(Keys(account=account_key(home, name)), BLANK, record)
        await store.close()

    anyio.run(fill)
    return made


def test_a_name_of_one_issuer_and_its_pseudonym_find_the_account(app: Deployment) -> None:
    name = ErasablePseudonyms(key_file_path(app.store)).subject(FIRST, "ann")
    for typed in ("ann", name, name[:8], name[:9].upper()):
        assert json.loads(app.call("accounts", "show", typed, "--json")[1])["subject"] == name
    assert json.loads(app.call("sessions", "list", "--subject", name[:8], "--json")[1]) == []
    assert app.call("accounts", "reinstate", name[:8], *WHY)[0] == OK


def test_a_name_of_several_issuers_needs_the_issuer(app: Deployment) -> None:
    code, _, err = app.call("accounts", "reinstate", "bob", *WHY)
    assert (code, FIRST in err, SECOND in err, "--issuer" in err) == (USAGE, True, True, True)
    assert app.call("accounts", "reinstate", "bob", "--issuer", SECOND, *WHY)[0] == OK
    code, _, err = app.call("accounts", "show", "bob", "--issuer", "https://othr.example")
    assert (code, "did you mean" in err) == (USAGE, True)


def test_a_start_of_seven_digits_is_a_name_and_changes_nobody(app: Deployment) -> None:
    name = ErasablePseudonyms(key_file_path(app.store)).subject(FIRST, "ann")
    assert app.call("accounts", "reinstate", name[:7], "--issuer", FIRST, *WHY)[0] == FAILED
    assert app.log() == []


def test_the_range_of_a_prefix_ends_before_the_next_one() -> None:
    assert hex_range("ab") == (b"\xab", b"\xac")
    assert hex_range("abc") == (b"\xab\xc0", b"\xab\xd0")
    assert hex_range("abf") == (b"\xab\xf0", b"\xac\x00")
    assert hex_range("ff") == (b"\xff", b"")
    assert text_range("t-1") == (b"t-1", b"t-2")
    assert strip_urn(" urn:authguard:record:01ab ") == "01ab"
    assert shorten(["aaaaaaaaa1", "b"], ["aaaaaaaaa2"]) == {"aaaaaaaaa1": "aaaaaaaaa1", "b": "b"}


def test_a_name_that_looks_like_another_persons_pseudonym_changes_nobody(app: Deployment) -> None:
    keys = ErasablePseudonyms(key_file_path(app.store))
    victim = keys.subject(FIRST, "ann")

    async def sign_up(name: str) -> None:
        store = SqliteStore(app.store)
        await store.open()
        record = msgspec.structs.replace(BLANK, account=AccountRecord(state="locked", entered=1_700_000_000.0))
        await store.commit(Keys(account=account_key(FIRST, name)), BLANK, record)
        await store.close()

    for name in (victim, victim[:8]):
        anyio.run(sign_up, name)
        code, _, err = app.call("accounts", "reinstate", name, *WHY)
        assert (code, "--issuer" in err) == (USAGE, True)
        shown = json.loads(app.call("accounts", "show", name, "--issuer", FIRST, "--json")[1])
        assert shown["subject"] == keys.subject(FIRST, name)
    assert app.log() == []
