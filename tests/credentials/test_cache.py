"""The cache of credentials is bounded; of a few candidates it evicts the one that expires first."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from authguard.core.request import Principal, Proven
from authguard.credentials.cache import Cache, Entry
from authguard.credentials.jwk import Key
from authguard.credentials.jwks_cache import JwksCache, RefreshPolicy

from .conftest import UNHURRIED

_KEYS = st.sampled_from([bytes([number]) for number in range(8)])


def _entry(weight: int = 1, until: float = 1.0) -> Entry:
    proven = Proven(Principal(issuer="i", subject="s", content=b"x" * weight))
    return Entry(proven, 0.0, until, Key("k", (), {}), JwksCache(None, 1.0, RefreshPolicy()))


class Remembering(RuleBasedStateMachine):
    """The cache never exceeds its bounds, and returns only the last entry of a digest."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache(entries=4, weight=20)
        self.model: dict[bytes, Entry] = {}

    @rule(digest=_KEYS, weight=st.integers(1, 21), until=st.integers(0, 3))
    def put(self, digest: bytes, weight: int, until: int) -> None:
        entry = _entry(weight, until)
        before = len(self.cache)
        self.cache.put(digest, entry)
        self.model[digest] = entry
        assert (self.cache.find(digest) is entry) is (weight <= 20)
        if weight == 1 and before < 4 and sum(kept.weight for kept in self.held()) < 20:
            assert len(self.cache) >= before

    @rule(digest=_KEYS)
    def remove(self, digest: bytes) -> None:
        self.cache.remove(digest)
        assert self.cache.find(digest) is None

    def held(self) -> list[Entry]:
        return [kept for digest in self.model if (kept := self.cache.find(digest)) is not None]

    @invariant()
    def it_holds_no_more_than_it_may_and_nothing_old(self) -> None:
        held = self.held()
        assert len(held) == len(self.cache) <= 4
        assert sum(kept.weight for kept in held) == self.cache._weight <= 20
        assert all(self.cache.find(digest) in (entry, None) for digest, entry in self.model.items())
        assert len(self.cache._order) == len(held)
        assert all(self.cache._order[entry.place] is entry is self.cache.find(entry.digest) for entry in held)


TestRemembering = Remembering.TestCase
TestRemembering.settings = UNHURRIED


def test_a_credential_heavier_than_the_bound_is_not_kept() -> None:
    cache = Cache(weight=10)
    cache.put(b"heavy", _entry(11))
    cache.put(b"light", _entry(10))
    assert cache.find(b"heavy") is None
    assert cache.find(b"light") is not None


def test_nothing_is_kept_where_nothing_may_be() -> None:
    cache = Cache(entries=0)
    cache.put(b"any", _entry())
    assert len(cache) == 0


def test_more_live_credentials_than_there_is_room_for_cost_only_what_is_missing() -> None:
    cache, digests = Cache(entries=200), [sha256(bytes([number])).digest() for number in range(250)]
    found = 0
    for _ in range(20):
        for digest in digests:
            if cache.find(digest) is None:
                cache.put(digest, _entry())
            else:
                found += 1
    assert found / (20 * 250) > 0.5  # with FIFO eviction there would be no hit at all


def test_what_has_ended_goes_before_what_has_not() -> None:
    cache = Cache(entries=1_000)
    ended = [sha256(b"old%d" % number).digest() for number in range(500)]
    live = [sha256(b"new%d" % number).digest() for number in range(900)]
    for digest in ended:
        cache.put(digest, _entry(until=1.0))
    for digest in live:
        cache.put(digest, _entry(until=100.0))
    assert sum(cache.find(digest) is not None for digest in live) > 800  # expected by chance: about 730
