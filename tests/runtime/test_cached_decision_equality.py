"""Cached decisions, log lines and replies equal those of a guard that evaluates each request, whoever asks."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.asgi.reply import ReplyBuilder
from authguard.core.request import Evidence
from authguard.errors import ReportRefusedError
from authguard.evaluation.request import AccessRequest
from authguard.records.entries import DecisionEntry
from authguard.runtime.decision_cache import DecisionCache
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from tests.support.harness import ISSUER, POLICY, EnforcerHarness

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.core.request import Credential
    from authguard.evaluation.decision import Verdict

REQUESTS = 800
FALLBACKS = """\
fallbacks:
  sign_in_fresh: {kind: step_up, max_age: since_entered, attempts: 1, per: 15m, then: refuse}
  refuse: {kind: deny, message: {default: 'No.', voice: Nope., de: {default: Nein., voice: Leider nein.}}}
"""
#: fields of a verdict that the app, the reply or the log can show
FIELDS = ("cell", "rule", "reason", "scopes", "token_scopes", "channel", "acr_values", "max_age", "transaction", "keys")
EVENTS = ("session.ended", "verification.doubted", "account.locked")


class _NoCache(DecisionCache):
    """Finds no decision."""

    __slots__ = ()

    def get(self, credential: Credential, key: bytes) -> object:
        del credential, key
        return None


class _Pair:
    """A guard and a guard without a cache, with the same people."""

    def __init__(self, store: MemoryStore | SqliteStore, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a sequence that repeats, no secret
        self.guards = EnforcerHarness(POLICY + FALLBACKS, store=store), EnforcerHarness(POLICY + FALLBACKS)
        self.guards[1].enforcer.cached_decider.cache = _NoCache()
        self.headers = [b"", b"Basic x"]

    def sign_somebody_in(self) -> None:
        pick = self.random.choice
        scopes = frozenset(self.random.sample(["chat", "accounts", "refunds"], self.random.randrange(4)))
        facts: dict[str, object] = {
            "token_scopes": scopes,
            "sid": pick(("s1", "s2")),
            "acr": pick(("aal1", "aal2", "")),
        }
        facts |= {"client": pick(("", "concierge", "web")), "actor": pick(("", "", "concierge", "bot"))}
        subject = pick(("alice", "bob"))
        header, same = (guard.login(subject, **facts) for guard in self.guards)
        assert header == same
        self.headers.append(header)

    def let_time_pass(self) -> None:
        seconds = self.random.choice((1, 30, 50, 300, 1_000, -40))
        for guard in self.guards:
            guard.clock.set(guard.clock.now() + seconds)

    async def report(self, verdicts: list[Verdict]) -> None:
        event = self.random.choice(EVENTS)
        for guard, verdict in zip(self.guards, verdicts, strict=True):
            try:
                await guard.enforcer.reports.report(verdict, event)
            except ReportRefusedError:
                assert verdict.principal is None


def _builder() -> ReplyBuilder:
    return ReplyBuilder(
        "desk",
        "https://agent.test",
        "/authguard",
        schemes=("Bearer", "DPoP"),
        find_metadata=lambda path: f"https://agent.test/metadata{path}",
        scope_prefixes={ISSUER: "api://desk/"},
    )


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("store", [MemoryStore, SqliteStore])
async def test_a_cached_decision_is_the_one_that_an_evaluation_returns(
    store: type[MemoryStore | SqliteStore], seed: int, tmp_path: Path
) -> None:
    pair = _Pair(SqliteStore(tmp_path / "s.db") if store is SqliteStore else MemoryStore(), seed)
    pick, builder, cached = pair.random.choice, _builder(), 0
    for _ in range(REQUESTS):
        dice = pair.random.random()
        if dice < 0.05:
            pair.sign_somebody_in()
        elif dice < 0.08:
            pair.let_time_pass()
        header = pick(pair.headers)
        operation, method = pick((("chat", "POST"), ("chat", "POST"), ("balance", "GET"), ("health", "GET")))
        verdicts = [await guard.ask(operation, header, method=method) for guard in pair.guards]
        one, other = verdicts
        cached += one.stored is not None
        assert other.stored is None
        assert [getattr(one, name) for name in FIELDS] == [getattr(other, name) for name in FIELDS]
        assert (one.fallback, one.credential) == (other.fallback, other.credential)
        assert one.snapshot == other.snapshot
        if not one.admits:
            evidence = Evidence(authorization=header, languages=pick(("", "de", "fr;q=0.1, de-CH")))
            request = AccessRequest(operation=one.operation, evidence=evidence, method=method)
            path = pick(("", "/chat", "/other"))
            expected = _builder().build_for_verdict(one, request, path=path)
            assert builder.build_for_verdict(one, request, path=path) == expected
        elif dice > 0.95:
            await pair.report(verdicts)
    first, second = (
        [replace(entry, id="", facts={}) for entry in guard.sink.of(DecisionEntry)] for guard in pair.guards
    )
    assert first == second
    assert cached > REQUESTS / 8
    for guard in pair.guards:
        await guard.enforcer.close()
