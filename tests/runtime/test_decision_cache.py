"""Cached decisions equal evaluated ones, and expire with any change."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

import pytest

from authguard.core.outcomes import Fallback, Outcome, Reason
from authguard.core.request import NotProven
from authguard.core.snapshot import Keys
from authguard.evaluation.decision import UNREAD, Decision
from authguard.evaluation.request import UNMATCHED
from authguard.records.entries import DecisionEntry
from authguard.runtime import enforcer as module
from authguard.runtime.decision_cache import MAX_ENTRIES, CachedDecision, DecisionCache
from authguard.runtime.rollback import Rollback
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.support.harness import POLICY, EnforcerHarness, outcome, signed_in, states

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.core.snapshot import Snapshot


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the evaluations."""
    names: list[str] = []
    evaluate: Callable[..., object] = module.evaluate

    def noting(policy: object, ask: object, *rest: object) -> object:
        names.append(ask.operation.name)  # type: ignore[attr-defined]
        return evaluate(policy, ask, *rest)

    monkeypatch.setattr(module, "evaluate", noting)
    return names


async def test_a_settled_conversation_is_judged_twice_and_recorded_each_time(judged: list[str]) -> None:
    desk = EnforcerHarness()
    token = desk.login()
    verdicts = [await desk.ask("chat", token) for _ in range(10)]
    assert len(judged) == 2, "the first sight moves the session; the second is the steady state"
    entries = desk.sink.of(DecisionEntry)
    assert [entry.id for entry in entries] == [verdict.record for verdict in verdicts]
    assert len({entry.id for entry in entries}) == 10


async def test_what_is_remembered_of_a_credential_is_forgotten_with_it(judged: list[str]) -> None:
    desk = EnforcerHarness()
    token = desk.login(token_scopes=frozenset({"chat", "books"}))
    for _ in range(3):
        verdict = await desk.ask("chat", token)
    assert len(judged) == 2, "it is remembered"
    assert verdict.principal is not None
    scopes = ref(verdict.principal.token_scopes)
    assert scopes() is not None
    del verdict, desk.check.known[token], desk.check.seen[token]
    assert scopes() is None, "a token that nobody knows any more is kept for ever"


async def test_credentials_with_the_same_decision_share_it_and_keep_their_own_states() -> None:
    desk = EnforcerHarness()
    first, second = desk.login("alice"), desk.login("bob")
    for token in (first, second, first, second, first, second):
        await desk.ask("chat", token)
    verdicts = [await desk.ask("chat", token) for token in (first, second)]
    assert verdicts[0].decision is verdicts[1].decision
    for verdict in verdicts:
        assert verdict.decision.snapshot is UNREAD
        assert verdict.snapshot == (await desk.enforcer.repository.load(verdict.keys)).snapshot
        assert verdict.snapshot.session.account == verdict.keys.account
    assert verdicts[0].snapshot != verdicts[1].snapshot


async def test_every_change_of_what_was_seen_is_judged_again(judged: list[str]) -> None:
    desk = EnforcerHarness()
    token = desk.login()
    for _ in range(3):
        verdict = await desk.ask("chat", token)
    judged.clear()
    await desk.enforcer.reports.report(verdict, "account.restricted")
    assert states(await desk.ask("chat", token))["account"] == "restricted"
    await Rollback(desk.enforcer.repository).engage("operator", "drill")
    assert outcome(await desk.ask("chat", token)) == ("handoff", "to_a_person")
    assert len(judged) == 2


async def test_an_operator_in_another_process_is_heard_at_the_next_request(tmp_path: Path) -> None:
    mine, theirs = (EnforcerHarness(store=SqliteStore(tmp_path / "s.db")) for _ in range(2))
    await theirs.enforcer.open()
    token = mine.login()
    for _ in range(3):
        assert outcome(await mine.ask("chat", token)) == ("allow", "allow")
    await Rollback(theirs.enforcer.repository).engage("operator", "drill")
    assert outcome(await mine.ask("chat", token)) == ("handoff", "to_a_person")
    await mine.enforcer.close()
    await theirs.enforcer.close()


async def test_a_timer_ends_what_was_remembered(judged: list[str]) -> None:
    desk = EnforcerHarness()
    token = desk.login(actor="concierge")
    for _ in range(3):
        await desk.ask("chat", token)
    judged.clear()
    desk.clock.advance(15 * 60 - 1)
    assert outcome(await desk.ask("chat", token)) == ("allow", "allow")
    assert judged == []
    desk.clock.advance(1)
    assert outcome(await desk.ask("chat", token)) == ("step_up", "sign_in_fresh")


async def test_an_own_act_is_written_now_and_then_so_that_the_person_stays_present() -> None:
    desk = EnforcerHarness()
    token = desk.login()
    keys = (await desk.ask("chat", token)).keys
    for _ in range(100):
        desk.clock.advance(20)
        await desk.ask("chat", token)
    session = (await desk.enforcer.repository.load(keys)).snapshot.session
    assert desk.clock.now() - session.last_seen <= desk.policy.last_seen_tolerance
    assert session.state == "active"


async def test_an_own_act_is_judged_once_and_what_changes_beside_it_is_heard(
    judged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = EnforcerHarness()
    token = desk.login()
    for _ in range(3):
        verdict = await desk.ask("chat", token)
    judged.clear()
    desk.clock.advance(desk.policy.last_seen_tolerance + 1)
    for _ in range(3):
        verdict = await desk.ask("chat", token)
    assert len(judged) == 1, "the act is written, and the same decision stands"
    assert verdict.snapshot.session.last_seen == desk.clock.now()
    commit = desk.store.commit

    async def ended_meanwhile(keys: Keys, before: Snapshot, after: Snapshot) -> bool:
        saved = await commit(keys, before, after)
        monkeypatch.undo()
        await desk.enforcer.reports.report(verdict, "session.ended")
        return saved

    monkeypatch.setattr(MemoryStore, "commit", staticmethod(ended_meanwhile))
    desk.clock.advance(desk.policy.last_seen_tolerance + 1)
    await desk.ask("chat", token)
    assert outcome(await desk.ask("chat", token))[0] == "terminate", "what was ended behind the save is remembered"


async def test_an_age_that_is_reached_ends_what_was_remembered() -> None:
    text = POLICY.replace("name: balance,", "name: balance, assurance: {max_age: 1m},")
    desk = EnforcerHarness(text)
    token = desk.login()
    for _ in range(3):
        assert outcome(await desk.ask("balance", token, method="GET")) == ("allow", "allow")
    desk.clock.advance(61)
    assert outcome(await desk.ask("balance", token, method="GET")) == ("step_up", "step_up")


async def test_a_credential_that_was_checked_anew_is_judged_anew(judged: list[str]) -> None:
    desk = EnforcerHarness()
    token = desk.login()
    for _ in range(3):
        await desk.ask("chat", token)
    judged.clear()
    assert outcome(await desk.ask("chat", desk.login(token_scopes=frozenset()))) == ("deny", "ask_scope")
    assert outcome(await desk.ask("chat", token)) == ("allow", "allow")
    assert judged == ["chat"], "what was decided of the other credential still stands"


async def test_refunds_holds_and_hand_offs_are_never_remembered(judged: list[str]) -> None:
    desk = EnforcerHarness()
    token = desk.login()
    gone = desk.login("bob", claims={"account_status": "estate"})
    for number in range(3):
        await desk.ask("refund", token, body={"amount": 1, "currency": "EUR"}, idempotency=f"k{number}")
        await desk.ask("chat", gone)
    assert judged.count("refund") == 3
    assert judged.count("chat") == 3


async def test_a_store_that_is_far_away_is_asked_each_time(judged: list[str]) -> None:
    class Far(MemoryStore):
        nonblocking_reads = False

    desk = EnforcerHarness(store=Far())
    token = desk.login()
    for _ in range(4):
        assert outcome(await desk.ask("chat", token)) == ("allow", "allow")
    assert len(judged) == 4


def test_what_is_remembered_of_a_lack_of_proof_is_bounded() -> None:
    cache = DecisionCache()
    lacking = NotProven("missing", Reason.CREDENTIAL_MISSING)
    for number in range(3 * MAX_ENTRIES):
        cache.store(lacking, _entry(b"operation %d" % number))
    assert len(cache._unproven) <= MAX_ENTRIES
    assert cache.get(lacking, b"operation %d" % (3 * MAX_ENTRIES - 1)) is not None
    assert cache.get(lacking, b"operation 0") is None


def _entry(key: bytes) -> CachedDecision:
    decision = Decision(
        operation=UNMATCHED,
        fallback=Fallback(name="f", kind=Outcome.ALLOW),
        reason=Reason.DECIDED,
        snapshot=UNREAD,
    )
    return CachedDecision(
        decided=b"",
        about=b"",
        key=key,
        record_keys=(),
        versions=(),
        until=9.75,
        decision=decision,
        keys=Keys(),
        repository=None,  # type: ignore[arg-type]  # nothing is decoded here
    )


def test_a_credential_keeps_the_decisions_on_several_operations() -> None:
    cache = DecisionCache()
    proven, other = signed_in(at=0.0), signed_in("bob", at=0.0)
    assert cache.get(proven, b"a") is None
    for key in (b"a", b"b", b"c", b"a", b"b"):
        cache.store(proven, _entry(key))
        cache.store(other, _entry(b"z" + key))
    found = [cache.get(proven, key) for key in (b"a", b"b", b"c")]
    assert [one.key for one in found if isinstance(one, CachedDecision)] == [b"a", b"b", b"c"]
    assert cache.get(proven, b"za") is None
    assert cache.get(other, b"a") is None


def test_entries_share_their_expiry_which_is_never_later() -> None:
    cache = DecisionCache()
    proven, other = signed_in(at=0.0), signed_in("bob", at=0.0)
    for credential in (proven, other):
        cache.store(credential, _entry(b"a"))
    first, second = cache.get(proven, b"a"), cache.get(other, b"a")
    assert isinstance(first, CachedDecision)
    assert isinstance(second, CachedDecision)
    assert first.until == 9.0
    assert first.until is second.until


async def test_a_refusal_for_spent_attempts_ends_with_their_window() -> None:
    spare = "fallbacks: {sign_in_fresh: {kind: step_up, max_age: since_entered, attempts: 1, per: 15m, then: refuse}}\n"
    desk = EnforcerHarness(POLICY + spare)
    token = desk.login()
    await desk.ask("chat", token)
    desk.clock.advance(20 * 60)
    first = desk.refreshed(token)
    desk.clock.advance(1)
    second = desk.refreshed(token)
    assert outcome(await desk.ask("chat", first)) == ("step_up", "sign_in_fresh")
    for _ in range(14):
        desk.clock.advance(60)
        for _ in range(3):
            assert outcome(await desk.ask("chat", second)) == ("deny", "refuse")
    desk.clock.advance(60)
    assert outcome(await desk.ask("chat", second)) == ("step_up", "sign_in_fresh")
