"""Every edge against a real server that misbehaves: what it is reported as, and how many requests it took.

The edges are the fetch of keys, introspection, account directories, verifiers and anchors.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.audit.write import anchor
from authguard.audit.write.anchor import HttpAnchor, read_anchor
from authguard.core.deployment import AccountSource, Issuer, Verifier
from authguard.core.outcomes import Reason
from authguard.core.verification import Passed, Unavailable
from authguard.credentials.introspection import IntrospectionLimits, Introspector
from authguard.credentials.introspection_client import UNCLEAR, UNREACHABLE, IntrospectionEndpoint
from authguard.credentials.jwk import DocumentVersion, KeySet, PublishedKeys
from authguard.credentials.jwks_cache import JwksCache, RefreshPolicy
from authguard.credentials.jwks_fetcher import JwksFetcher
from authguard.directories.http import HttpLookup
from authguard.directories.resilience import ResilientDirectory
from authguard.errors import AuditError, AuthguardError, SettingsError
from authguard.ports import AccountStatus, Question, Unreachable
from authguard.testing import FakeClock
from authguard.verification.http import HttpService
from authguard.verification.resilience import ResilientVerifier
from tests.outbound.raw_server import RawServer, cut, hang, reply, trickle
from tests.support.harness import signed_in

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    Said = bytes | Callable[[socket.socket], None]

NOW = 1_000_000.0
DOWN = reply(b"{}", "503 Down")
SLOW_DOWN = reply(b"{}", "429 Slow", "Retry-After: 86400")
SOON = reply(b"{}", "429 Slow", "Retry-After: 0")
NO = reply(b"{}", "401 No")
ELSEWHERE = reply(b"", "302 Found", "Location: http://127.0.0.1:9/")
HUGE = reply(b" " * 300_000)
NONSENSE = reply(b"{}{}")


async def keys(url: str, seconds: float) -> object:
    """Fetch the keys of an issuer; return the reason for which there are none."""
    issuer = Issuer(issuer="https://i.test", audience=("a",), algorithms=("ES256",), jwks_uri=f"{url}jwks")
    fetcher = JwksFetcher()

    async def read(known: DocumentVersion) -> PublishedKeys:
        response = await fetcher.fetch_jwks(issuer, known)
        return PublishedKeys(KeySet(), response.lifetime, response.version)

    cache = JwksCache(read, 60.0, RefreshPolicy(timeout=seconds))
    await cache.find("kid", "ES256", NOW)
    await cache.close()
    await fetcher.close()
    return cache.failure.reason


async def introspection(url: str, seconds: float) -> object:
    """Introspect a token."""
    introspector = Introspector(30.0, limits=IntrospectionLimits(timeout=seconds))
    introspector.open(IntrospectionEndpoint(f"{url}introspect", "Basic x"))
    result = await introspector.introspect(b"token", sha256(b"token").digest(), NOW)
    await introspector.close()
    return result


async def directory(url: str, seconds: float) -> object:
    """Query the state of an account."""
    source = AccountSource(name="http:crm", url=url, timeout=seconds)
    queried = ResilientDirectory(source, HttpLookup(source, environ={}))
    await queried.open()
    result = await queried.ask(signed_in(at=NOW).principal, NOW)
    await queried.close()
    return result


async def verifier(url: str, seconds: float) -> object:
    """Verify a customer with a service that the policy lets repeat a request once."""
    declared = Verifier(
        name="otp", type="http", url=url, pass_at=0.9, fail_at=0.4, timeout=seconds, retries=1, answer_at="/score"
    )
    verifying = ResilientVerifier(declared, [HttpService(declared, url, environ={})], clock=FakeClock())
    question = Question(
        issuer="https://i.test", subject="alice", session="", attempt="a", answers={}, channel="", at=0.0
    )
    await verifying.open()
    result = await verifying.verify(question)
    await verifying.close()
    return result


EDGES = (keys, introspection, directory, verifier)
ANSWER = {"keys": [], "active": True, "status": "ok", "score": 1.0}
KEYS_DOWN, KEYS_BAD, KEYS_FINE = Reason.KEYS_UNREACHABLE, Reason.KEYS_UNUSABLE, Reason.DECIDED
FINE = (KEYS_FINE, {name: ANSWER[name] for name in ANSWER if name != "active"}, AccountStatus("ok", NOW), Passed())
REFUSED = (UNCLEAR, Unreachable("refused"), Unavailable("refused"))
#: behaviour -> what the server says, the number of requests, and the result of each edge
TABLE: dict[str, tuple[list[Said], int, tuple[object, ...]]] = {
    "a connection that is cut once": ([cut], 2, FINE),
    "503 once": ([DOWN], 2, FINE),
    "429 with a short Retry-After": ([SOON], 2, FINE),
    "429 with a long Retry-After": ([SLOW_DOWN], 1, (KEYS_DOWN, UNREACHABLE, *REFUSED[1:])),
    "503 for longer": ([DOWN] * 9, 2, (KEYS_DOWN, UNREACHABLE, *REFUSED[1:])),
    "401": ([NO], 1, (KEYS_BAD, *REFUSED)),
    "a redirect": ([ELSEWHERE], 1, (KEYS_BAD, *REFUSED)),
    "a huge response": ([HUGE], 1, (KEYS_BAD, UNCLEAR, Unreachable("too-large"), Unavailable("too-large"))),
    "no document": ([NONSENSE], 1, (KEYS_BAD, UNCLEAR, Unreachable("nonsense"), Unavailable("nonsense"))),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("behaviour", TABLE)
def test_what_a_server_does_is_reported_as_it_is_after_so_many_requests(behaviour: str, edge: Any) -> None:
    said, requests, results = TABLE[behaviour]
    with RawServer(*said, reply(json.dumps(ANSWER).encode())) as server:
        assert anyio.run(edge, server.url, 60.0) == results[EDGES.index(edge)]
        assert len(server.requests) == requests


@pytest.mark.parametrize("said", [hang, trickle])
@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (keys, KEYS_DOWN),
        (introspection, UNREACHABLE),
        (directory, Unreachable("timeout")),
        (verifier, Unavailable("timeout")),
    ],
)
def test_a_server_that_hangs_costs_one_deadline_and_is_an_outage(edge: Any, expected: object, said: Said) -> None:
    with RawServer(said) as server:
        assert anyio.run(edge, server.url, 0.2) == expected
        assert len(server.requests) <= 2


@pytest.mark.parametrize("edge", EDGES)
def test_a_server_that_is_not_there_is_an_outage(edge: Any) -> None:
    expected = {
        keys: KEYS_DOWN,
        introspection: UNREACHABLE,
        directory: Unreachable("error"),
        verifier: Unavailable("error"),
    }
    assert anyio.run(edge, "http://127.0.0.1:9/", 60.0) == expected[edge]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (cut, ""),
        (DOWN, "responded with status 503"),
        (SLOW_DOWN, "responded with status 429"),
        (NO, "responded with status 401"),
        (ELSEWHERE, "responded with status 302"),
    ],
)
def test_an_anchor_stores_or_says_why_not_in_one_request(said: Said, message: str) -> None:
    # of a response only the status is read, so a body that is cut is no failure
    with RawServer(said) as server:
        stored = HttpAnchor(f"{server.url}log")
        if message:
            with pytest.raises(AuditError, match=f"^{message}$"):
                stored.store("note")
        else:
            stored.store("note")
        assert len(server.requests) == 1


@pytest.mark.parametrize("said", [hang, trickle])
def test_an_anchor_that_hangs_is_left_at_the_deadline(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(anchor, "READ_TIMEOUT_S", 0.2)
    with RawServer(said) as server:
        if said is hang:
            with pytest.raises(AuditError, match="no response within"):
                HttpAnchor(server.url).store("note")
        with pytest.raises(SettingsError, match="no response within"):
            list(read_anchor(server.url))


@pytest.mark.parametrize(
    ("said", "message"),
    [(DOWN, "responded with status 503"), (cut, "cannot be read"), (ELSEWHERE, "responded with status 302")],
)
def test_an_anchor_that_cannot_be_read_says_why(said: Said, message: str) -> None:
    with RawServer(said) as server, pytest.raises(AuthguardError, match=message):
        list(read_anchor(server.url))
