"""Replay says what a second run of the same requests does under another policy, or that it is undetermined: seeded."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.audit.query.replayed_guard import Ask, Compared, Person, compare
from tests.support.harness import OWN_STAFF, POLICY
from tests.support.hypothesis_profile import examples

if TYPE_CHECKING:
    from pathlib import Path

#: walks in CI; a soak runs more
WALKS: Final = examples(200)
REPORTS: Final = ("session.ended", "verification.doubted", "account.locked", "everywhere")
BASE: Final = (
    POLICY.replace("agents: [{", "channels: {from: {claim: channel}, trusts: {app: [web], web: []}}\nagents: [{")
    + OWN_STAFF
).replace(
    "scopes: [chat]}\n  - {name: live",
    "scopes: [chat]}\n  - {name: note, match: {path: /note, method: POST}, "
    "risk: routine, effect: write, scopes: [chat], limits: [{calls: 3, per: 10m}]}\n"
    "  - {name: clerk, match: {path: /clerk, method: GET}, risk: routine, effect: read, roles: [clerk]}\n"
    "  - {name: live",
)
_MORE = "#end"


def _more(text: str) -> tuple[str, str]:
    return _MORE, f"{text}\n{_MORE}"


#: what a pair of policies differs in -> a text of the first and what the second has instead
EDITS: Final[dict[str, tuple[str, str]]] = {
    "name": ("name: test-desk", "name: other"),
    "scope": ("scopes: [accounts]", "scopes: [nope]"),
    "fewer scopes": ("scopes: [accounts]", "scopes: []"),
    "acr": ("assurance: {acr: aal2, max_age: 5m}", "assurance: {acr: aal3, max_age: 5m}"),
    "age": ("max_age: 5m}", "max_age: 1m}"),
    "identity": ("identity: {credential: aal2}", "identity: {credential: aal3}"),
    "laxer identity": ("identity: {credential: aal2}", "identity: {credential: aal1}"),
    "map": ("frozen: suspended", "frozen: normal"),
    "limit": ("calls: 3, per: 10m", "calls: 30, per: 10m"),
    "smaller limit": ("calls: 3, per: 10m", "calls: 1, per: 10m"),
    "amount": ("{amount: 500 EUR, per: call}", "{amount: 50 EUR, per: call}"),
    "role": ("roles: [clerk]", "roles: [boss]"),
    "trust": ("trusts: {app: [web], web: []}", "trusts: {app: [], web: [app]}"),
    "risk": ("risk: sensitive, effect: read", "risk: routine, effect: read"),
    "actor": ("effect: read, scopes: [chat]}\n", "effect: read, scopes: [chat], actor: forbidden}\n"),
    "attempts": _more(
        "fallbacks:\n  sign_in_fresh: {kind: step_up, max_age: since_entered, attempts: 1, per: 15m, then: refuse}"
    ),
    "kind": _more("fallbacks:\n  sign_in_fresh: {kind: terminate}"),
    "rule": _more(
        "decisions:\n"
        "  - when: {risk: routine, effect: write, limit: exceeded, credential: good, session: active,\n"
        "      transaction: none, scope: granted}\n"
        "    do: await_approval"
    ),
    "hold": _more(
        "decisions:\n"
        "  - when: {risk: high, transaction: none, session: active, verification: verified, account: normal,\n"
        "      credential: good, scope: granted,\n"
        "      actor: subject, assurance: met, limit: within, channel_change: same}\n"
        "    do: await_approval"
    ),
    "timer": _more("timers:\n  - {event: session.idled, after: 90s, since: last_seen, states: [active]}"),
    "raises": _more(
        "machines:\n  session:\n    transitions:\n"
        "      - {trigger: renewed, source: '*', dest: active, raises: verification.moved}"
    ),
    "stay": _more(
        "machines:\n  verification:\n    transitions:\n      - {trigger: moved, source: verified, dest: '='}"
    ),
    "no operation": (
        (
            "  - {name: balance, match: {path: '/balance', method: GET}, risk: sensitive, effect: read, "
            "scopes: [accounts]}\n"
        ),
        "",
    ),
}


def edited(*names: str) -> str:
    """Return the policy with some edits."""
    text = BASE + _MORE + "\n"
    for name in names:
        old, new = EDITS[name]
        assert old in text, name
        text = text.replace(old, new, 1)
    return text


def walk(pick: random.Random) -> list[Ask]:
    """Make requests: people with several sessions, who sign in again, on channels, with reports and time between."""
    people = []
    for subject in ("alice", "bob"):
        for sid in ("s1", "s2"):
            for at in pick.sample((0.0, 0.0, -200.0, 100.0, 400.0, 2000.0), 2):
                claims: dict[str, Any] = {"account_status": pick.choice(("ok", "ok", "ok", "frozen", "kid", "odd"))}
                claims |= {"channel": pick.choice(("web", "app"))}
                claims |= {"roles": ["clerk"]} if pick.random() < 0.4 else {}
                facts: dict[str, Any] = {"claims": claims, "acr": pick.choice(("aal1", "aal2", "aal2", "aal3"))}
                if pick.random() < 0.2:
                    facts["token_scopes"] = frozenset({"chat"})
                if pick.random() < 0.15:
                    facts["client"] = "concierge"
                people.append(Person(subject, sid, at, facts))
    asks = []
    for _ in range(pick.randrange(4, 16)):
        operation = pick.choice(("chat", "chat", "balance", "balance", "note", "note", "clerk", "refund", "health"))
        one = Ask(operation, pick.choice(people) if pick.random() < 0.95 else None)
        one.wait = pick.choice((0, 0, 1, 30, 100, 400, 1000))
        one.report = pick.choice(
            ("", "", "", "", "", "", "session.ended", "verification.doubted", "account.locked", "everywhere")
        )
        if operation == "refund":
            one.body = {"amount": pick.choice((10, 100, 400)), "currency": "EUR"}
            one.key = f"key-{pick.randrange(3):016d}"
            one.status = pick.choice((200, 200, 422, 500))
        met = {before.who.subject for before in asks if before.who}
        if one.who is None or one.who.subject in met:  # the log begins with a person's first request
            one.operator = pick.choice(("", "", "", "", "", "", "reinstate", "impaired"))
        asks.append(one)
    return asks


async def test_a_seeded_walk_is_replayed_as_the_second_run_decides(tmp_path: Path) -> None:
    wrong, found, said = [], 0, 0
    for seed in range(WALKS):
        pick = random.Random(seed)  # noqa: S311 - a sequence that repeats, no secret
        old, new = pick.choice(
            [(edited(), edited(name)) for name in EDITS] + [(edited(name), edited()) for name in EDITS]
        )
        run = await compare(tmp_path / f"{seed}.jsonl", old, new, walk(pick))
        wrong += [f"seed {seed}: {one}" for one in run.wrong]
        found, said = found + run.differ, said + len(run.unknown)
    assert not wrong, "\n".join(wrong[:5])
    assert found > WALKS / 8


@pytest.mark.parametrize("name", EDITS)
async def test_each_edit_is_exact_or_undetermined(name: str, tmp_path: Path) -> None:
    differ = 0
    runs: list[Compared] = []
    for seed in range(3):
        run = await compare(tmp_path / f"{seed}.jsonl", edited(), edited(name), walk(random.Random(seed)))  # noqa: S311
        assert not run.wrong
        differ += run.differ
        runs.append(run)
    if name == "name":
        assert not any(run.unknown or run.result.differences or run.result.undetermined for run in runs)
