"""Tests of `authguard transactions`: list, approve, deny and settle; the log records person and reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import msgspec
import pytest

from authguard.cli import transactions
from authguard.cli.output import FAILED, OK, UNAUTHORISED, USAGE
from authguard.core.approvers import Approvers
from authguard.core.record_keys import account_key
from authguard.core.snapshot import Approval, Keys, TransactionRecord, blank
from authguard.deployment_keys import create_cipher
from authguard.evaluation.canonical import canonicalize
from authguard.evaluation.request_binding import RequestBinding
from authguard.evaluation.transactions import associated_data, bound_digest
from authguard.policy.compiler import load
from authguard.pseudonym_factory import load_pseudonym_key
from authguard.settings import Settings
from authguard.stores.sqlite import SqliteStore
from tests.cli.deployment import POLICY, Deployment, deploy

if TYPE_CHECKING:
    from pathlib import Path

NOW = 4_000_000_000.0
BLANK = blank(
    {"service": "live", "account": "unknown", "session": "absent", "verification": "unverified", "transaction": "none"}
)
DIGEST = bound_digest("asked", b"s" * 16, load("policy.yaml", text=POLICY.encode()).digest)
HELD = TransactionRecord(
    state="held",
    entered=NOW,
    created=NOW,
    digest=DIGEST,
    asked="asked",
    operation="pay",
    account=b"a" * 16,
    session=b"s" * 16,
    shown=('POST "/pay?"', '"/amount": 900'),
    role="boss",
    count=2,
    subject="p-1",
)
DOUBT = msgspec.structs.replace(HELD, state="in_doubt", count=0, role="", created=NOW - 1, operation="move")


@pytest.fixture
def app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Deployment:
    made = deploy(tmp_path, capsys)

    async def fill() -> None:
        store = SqliteStore(made.store)
        await store.open()
        for name, record in (("t1", HELD), ("t2", DOUBT)):
            await store.commit(Keys(transaction=name), BLANK, msgspec.structs.replace(BLANK, transaction=record))
        await store.close()

    anyio.run(fill)
    return made


def test_what_is_held_is_listed_and_filtered_and_looking_records_nothing(app: Deployment) -> None:
    code, out, _ = app.call("transactions", "list")
    verdict, doubtful, held, settle, approve = out.splitlines()
    assert (code, verdict) == (OK, "2 transactions wait for you: 1 in doubt, 1 held")
    assert doubtful.split()[:2] == ["t2", "move"]
    assert held.split()[:3] == ["t1", "pay", "p-1"]
    assert held.endswith("held      0 of 2 boss  the policy asks for an approval")
    assert settle == "next: authguard transactions settle t2 done --by NAME --reason WHY"
    assert approve == "next: authguard transactions approve t1 --by NAME --reason WHY"
    assert app.call("transactions", "list", "--state", "any")[1].splitlines()[0] == "2 transactions"
    assert app.call("transactions", "list", "--state", "held")[1].splitlines()[0] == "1 transaction is held"
    assert "t1 " in app.call("transactions", "list", "--subject", "p-1", "--role", "boss")[1]
    assert app.call("transactions", "list", "--state", "done")[:2] == (OK, "no transaction is done\n")
    assert app.call("transactions", "list", "--until", "2h")[:2] == (OK, "no transaction that matches waits for you\n")
    for option, typed, near in (
        ("--role", "clerk", "supervisor"),
        ("--operation", "cat", "chat"),
        ("--state", "helt", "held"),
    ):
        code, _, err = app.call("transactions", "list", option, typed)
        assert (code, option in err, near in err) == (USAGE, True, True)
    assert app.call("transactions", "list", "--subject", "p-2")[0] == USAGE
    (first,) = json.loads(app.call("transactions", "list", "--state", "held", "--json")[1])
    assert first["shown"] == list(HELD.shown)
    assert json.loads(app.call("transactions", "list", "--state", "done", "--json")[1]) == []
    assert [json.loads(line)["transaction"] for line in app.call("transactions", "export")[1].splitlines()] == [
        "t2",
        "t1",
    ]
    assert app.log() == []


def test_more_than_a_page_are_told_one_after_the_other(app: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "PAGE_SIZE", 1)
    listed = json.loads(app.call("transactions", "list", "--state", "any", "--json")[1])
    assert [one["transaction"] for one in listed] == ["t2", "t1"]
    assert len(app.call("transactions", "export")[1].splitlines()) == 2
    code, out, err = app.call("transactions", "list", "--limit", "1")
    assert (code, out.splitlines()[0], out.splitlines()[1][:2]) == (OK, "2 transactions wait for you", "t2")
    assert err == "the first 1 of 2 are shown; --limit shows more\n"


def test_each_of_two_persons_approves_and_both_are_named_with_their_reason(app: Deployment) -> None:
    assert "held" in app.call("transactions", "approve", "t1", "--by", "Ines", "--reason", "called back")[1]
    code, out, _ = app.call("transactions", "approve", "t1", "--by", "Ines", "--reason", "again")
    assert (code, "Ines had approved it already" in out) == (OK, True)
    assert "approved" in app.call("transactions", "approve", "t1", "--by", "Omar", "--reason", "fine")[1]
    shown = app.call("transactions", "show", "t1")[1]
    assert 'POST "/pay?"' in shown
    assert "by Ines at" in shown
    assert "called back" in shown
    assert [(line["by"], line["note"]) for line in app.log() if line["kind"] == "act"][::2] == [
        ("Ines", "called back"),
        ("Omar", "fine"),
    ]


def test_a_denied_one_stays_denied(app: Deployment) -> None:
    assert "denied" in app.call("transactions", "deny", "t1", "--by", "Ines", "--reason", "odd")[1]
    code, _, err = app.call("transactions", "approve", "t1", "--by", "Omar", "--reason", "fine")
    assert (code, "it is already denied since" in err, "by Ines: odd" in err) == (FAILED, True, True)
    assert "by Ines: odd" in app.call("transactions", "show", "t1")[1]


def test_what_is_in_doubt_is_settled_by_a_persons_word_and_only_once(app: Deployment) -> None:
    assert "done" in app.call("transactions", "settle", "t2", "done", "--by", "Kim", "--reason", "it was charged")[1]
    assert app.call("transactions", "settle", "t2", "failed", "--by", "Kim", "--reason", "no")[0] == FAILED
    code, _, err = app.call("transactions", "settle", "t1", "done", "--by", "Kim", "--reason", "no")
    assert (code, "it is not in doubt" in err, "transactions approve t1" in err) == (FAILED, True, True)
    moved = [line for line in app.log() if line["kind"] == "transition"]
    assert [(line["source"], line["dest"], line["cause"]) for line in moved] == [("in_doubt", "done", "operator")]


def test_an_unknown_one_is_said_to_be_none_and_a_name_is_wanted(app: Deployment) -> None:
    for words in (("show", "t9"), ("deny", "t9", "--by", "a", "--reason", "b")):
        code, _, err = app.call("transactions", *words)
        assert (code, "no such transaction" in err) == (FAILED, True)
    assert app.call("transactions", "approve", "t1", "--reason", "b")[0] == USAGE


def test_what_was_asked_opens_with_every_key_that_the_deployment_has_had(
    app: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    bond = RequestBinding(method="POST", target=b"/pay", body=canonicalize(b'{"amount": 9011771}', "application/json"))
    newer, new = "22" * 32, "11" * 32
    stages = (("derived", ""), ("named", new), ("rotated", f"{newer},{new}"))

    async def keep(name: str) -> None:
        settings = Settings.resolve(app.folder / "policy.yaml", store=app.store)
        cipher = create_cipher(settings, load_pseudonym_key(settings, create=True))
        sealed = cipher.encrypt(bond.pack(), associated_data(name, DIGEST))
        record = msgspec.structs.replace(HELD, shown=(), request=sealed)
        store = SqliteStore(app.store)
        await store.open()
        await store.commit(Keys(transaction=name), BLANK, msgspec.structs.replace(BLANK, transaction=record))
        await store.close()

    assert app.call("transactions", "show", "t1")[0] == OK
    assert not (app.folder / "authguard.db.key").exists(), "looking makes no key"
    for name, keys in stages:
        monkeypatch.setenv("AUTHGUARD_ENCRYPTION_KEYS", keys)
        anyio.run(keep, name)
        assert b"9011771" not in app.store.read_bytes()
    for name, _ in stages:
        assert '  "/amount": 9011771\n' in app.call("transactions", "show", name)[1]
    monkeypatch.setenv("AUTHGUARD_ENCRYPTION_KEYS", newer)
    for name, is_shown in (("derived", True), ("named", False), ("rotated", True)):
        said = app.call("transactions", "show", name)[1]
        assert ('"/amount": 9011771' in said, "encrypted with another key" in said) == (is_shown, not is_shown)
        assert DIGEST in said


def test_an_id_is_taken_by_its_start_or_as_it_stands_in_a_reply(app: Deployment) -> None:
    async def add() -> None:
        store = SqliteStore(app.store)
        await store.open()
        for name in ("abcdef0123456789", "abcdef0123450000", "b" * 32):
            await store.commit(Keys(transaction=name), BLANK, msgspec.structs.replace(BLANK, transaction=HELD))
        await store.close()

    anyio.run(add)
    assert json.loads(app.call("transactions", "show", "bbbbbb", "--json")[1])["transaction"] == "b" * 32
    assert json.loads(app.call("transactions", "show", f"urn:authguard:transaction:{'b' * 32}", "--json")[1])
    code, out, err = app.call("transactions", "show", "abcdef")
    assert (code, out) == (USAGE, "")
    assert err.startswith("`abcdef` is the start of 2 transactions: type more of the id\n")
    assert "abcdef0123456789" in err
    assert "pay" in err
    listed = app.call("transactions", "list")[1]
    assert {"bbbbbbbb", "abcdef0123456", "abcdef0123450"} <= set(listed.split())


def test_the_number_of_an_order_is_no_start_of_an_id(app: Deployment) -> None:
    async def add() -> None:
        store = SqliteStore(app.store)
        await store.open()
        record = msgspec.structs.replace(BLANK, transaction=HELD)
        await store.commit(Keys(transaction=f"4711{'b' * 28}"), BLANK, record)
        await store.close()

    anyio.run(add)
    for typed in ("4", "4711", "4711b"):
        code, _, err = app.call("transactions", "approve", typed, "--by", "Ines", "--reason", "order 4711")
        assert (code, "at least 6 characters" in err) == (FAILED, True)
    assert app.log() == []


def test_whoever_asked_for_it_cannot_approve_it(app: Deployment) -> None:
    mine = msgspec.structs.replace(HELD, account=account_key("https://idp.example", "Ines"))

    async def add() -> None:
        store = SqliteStore(app.store)
        await store.open()
        await store.commit(Keys(transaction="t3"), BLANK, msgspec.structs.replace(BLANK, transaction=mine))
        await store.close()

    anyio.run(add)
    code, _, err = app.call("transactions", "approve", "t3", "--by", "Ines", "--reason", "it is mine")
    assert (code, "Ines asked for this transaction" in err, "of role `boss`" in err) == (UNAUTHORISED, True, True)
    assert app.log() == []


def test_a_limit_that_is_none_is_refused(app: Deployment) -> None:
    code, _, err = app.call("transactions", "approve", "t1", "--by", "a", "--reason", "b", "--over", "daily")
    assert (code, "--over" in err) == (USAGE, True)


def test_a_hold_for_two_roles_says_who_is_missing(app: Deployment) -> None:
    joint = msgspec.structs.replace(
        HELD,
        role="",
        count=0,
        hold="both_desks",
        approvers=(Approvers("officer", 2, "aal2"), Approvers("controller")),
        approvals=(Approval(b"o" * 16, "olaf", NOW, "seen", (), ("controller", "officer"), "aal2"),),
    )

    async def fill() -> None:
        store = SqliteStore(app.store)
        await store.open()
        await store.commit(Keys(transaction="t3"), BLANK, msgspec.structs.replace(BLANK, transaction=joint))
        await store.close()

    anyio.run(fill)
    out = app.call("transactions", "show", "t3")[1]
    assert "it waits for 2 approvals by 2 officer or controller" in out, "whoever has both roles fills either place"
    assert "1 of 3: 2 officer (aal2) and 1 controller" in " ".join(out.split())
    assert "both_desks" in out
    for role in ("officer", "controller"):
        assert "t3 " in app.call("transactions", "list", "--role", role)[1]
    found = json.loads(app.call("transactions", "show", "t3", "--json")[1])
    assert (found["hold"], found["role"], found["count"]) == ("both_desks", "controller, officer", 3)
    assert found["approvers"] == [
        {"role": "officer", "count": 2, "acr": "aal2", "open": 2},
        {"role": "controller", "count": 1, "acr": "", "open": 1},
    ]
    out = app.call("transactions", "approve", "t3", "--by", "Ines", "--reason", "called back")[1]
    assert "it needs 1 approval by officer or controller more, each of another person" in " ".join(out.split())
    assert "is approved by" in app.call("transactions", "approve", "t3", "--by", "Omar", "--reason", "fine")[1]
