"""Good credentials are remembered within bounds, the oldest go first."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from authguard.core.facts import Principal, Proven
from authguard.credentials.cache import Cache, Entry
from authguard.credentials.keyring import Keyring, Pace
from authguard.credentials.keys import Key

from .conftest import UNHURRIED

_KEYS = st.sampled_from([bytes([number]) for number in range(8)])


def _entry(weight: int = 1) -> Entry:
    proven = Proven(Principal(issuer="i", subject="s"))
    return Entry(proven, 0.0, 1.0, Key("k", (), {}), Keyring(None, 1.0, Pace()), weight)


class Remembering(RuleBasedStateMachine):
    """The cache against a plain list of what was kept, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache(entries=4, weight=20)
        self.model: list[tuple[bytes, Entry]] = []

    @rule(digest=_KEYS, weight=st.integers(1, 12))
    def keep(self, digest: bytes, weight: int) -> None:
        entry = _entry(weight)
        self.cache.keep(digest, entry)
        self.model = [pair for pair in self.model if pair[0] != digest] + [(digest, entry)]
        while len(self.model) > 4 or sum(kept.weight for _, kept in self.model) > 20:
            self.model.pop(0)

    @rule(digest=_KEYS)
    def drop(self, digest: bytes) -> None:
        self.cache.drop(digest)
        self.model = [pair for pair in self.model if pair[0] != digest]

    @invariant()
    def it_holds_what_the_list_holds(self) -> None:
        assert len(self.cache) == len(self.model)
        assert all(self.cache.find(digest) is entry for digest, entry in self.model)


TestRemembering = Remembering.TestCase
TestRemembering.settings = UNHURRIED


def test_a_credential_heavier_than_the_bound_is_not_kept() -> None:
    cache = Cache(weight=10)
    cache.keep(b"heavy", _entry(11))
    cache.keep(b"light", _entry(10))
    assert cache.find(b"heavy") is None
    assert cache.find(b"light") is not None
