"""Shared fixtures of the credential tests: an issuer in this process, a validator with its keys, a scripted network."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from hypothesis import HealthCheck, settings

from authguard.core.deployment import Issuer
from authguard.core.request import Evidence, Unseen
from authguard.credentials.jwks_cache import RefreshPolicy
from authguard.credentials.jwt_validator import JwtValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from authguard.core.request import Credential
    from authguard.testing import FakeClock, Mint

#: for property tests: no deadline on a busy machine, and one validator for all examples
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

ALGORITHMS = ("ES256", "RS256", "EdDSA")


def settle(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class ValidatorHarness:
    """A validator in the way that the enforcer calls it: `get_cached` first, then `check`."""

    def __init__(self, check: JwtValidator, clock: FakeClock) -> None:
        self.check = check
        self.clock = clock
        self.checked = 0

    def get_cached(self, token: str | bytes) -> Credential | Unseen:
        return self.check.get_cached(evidence(token), self.clock.now())

    async def validate(self, token: str | bytes) -> Credential:
        found = self.get_cached(token)
        if not isinstance(found, Unseen):
            return found
        self.checked += 1
        return await self.check.check(evidence(token), self.clock.now())

    def ask(self, token: str | bytes) -> Credential:
        """Check a token with static keys, so that nothing waits."""
        answer: Credential = settle(self.validate(token))
        return answer


def evidence(token: str | bytes) -> Evidence:
    raw = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
    return Evidence(authorization=b"Bearer " + raw)


class Network:
    """The metadata and keys of an issuer over a scripted HTTP transport.

    Attributes:
        documents: path -> its response: a document, raw bytes, a status, a response, or ``"hang"``.
        asked: the requested paths, in order.
        gate: if set, responses wait for it.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.documents: dict[str, Any] = {
            "/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"}
        }
        self.asked: list[str] = []
        self.gate: anyio.Event | None = None

    @property
    def fetches(self) -> int:
        """Return how often the keys were requested, with failed connections."""
        return self.asked.count("/.well-known/openid-configuration")

    def publish(self, jwks: object) -> None:
        self.documents["/jwks"] = jwks

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.path)
        if self.gate is not None:
            await self.gate.wait()
        found = self.documents.get(request.url.path, 404)
        if found == "hang":
            await anyio.sleep_forever()
        if isinstance(found, Exception):
            raise found
        if isinstance(found, httpx2.Response):
            return found
        if isinstance(found, int):
            return httpx2.Response(found)
        return httpx2.Response(200, content=found if isinstance(found, bytes) else json.dumps(found).encode())


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., JwtValidator]:
    """Return a builder of validators for an issuer, with distinguishable names in the log."""

    def build(*issuers: Issuer, **arguments: Any) -> JwtValidator:
        given: dict[str, Any] = {
            "pseudonym": lambda issuer, subject, _: f"name of {subject} at {issuer}",
            "fingerprint": lambda token: sha256(token).hexdigest()[:16],
            "environ": {},
            "folder": tmp_path,
        }
        return JwtValidator({issuer.issuer: issuer for issuer in issuers}, **(given | arguments))

    return build


@pytest.fixture
def issuer_of(tmp_path: Path) -> Callable[..., Issuer]:
    """Describe a mint as a policy would, with its keys in a file."""

    def describe(mint: Mint, **fields: Any) -> Issuer:
        if not {"discovery", "jwks_uri", "secret_env", "key_file"} & fields.keys():
            (tmp_path / "keys.json").write_text(json.dumps(mint.jwks()))
            fields["key_file"] = "keys.json"
        given = {"issuer": mint.issuer, "audience": (mint.audience,), "algorithms": ALGORITHMS}
        return Issuer(**(given | fields))

    return describe


@pytest.fixture
def build_harness(
    make: Callable[..., JwtValidator],
    issuer_of: Callable[..., Issuer],
    authguard_issuer: Mint,
    authguard_clock: FakeClock,
) -> Callable[..., ValidatorHarness]:
    """Build a validator for the in-process issuer under a policy with these fields."""

    def build(**fields: Any) -> ValidatorHarness:
        check = make(issuer_of(authguard_issuer, **fields))
        settle(check.open())
        return ValidatorHarness(check, authguard_clock)

    return build


@pytest.fixture
def harness(build_harness: Callable[..., ValidatorHarness]) -> ValidatorHarness:
    """Build a validator under an ordinary policy."""
    return build_harness()


@pytest.fixture
def network(authguard_issuer: Mint) -> Network:
    """Publish the in-process issuer's keys on a scripted network."""
    network = Network(authguard_issuer.issuer)
    network.publish(authguard_issuer.jwks())
    return network


@pytest.fixture
def reach(
    make: Callable[..., JwtValidator],
    issuer_of: Callable[..., Issuer],
    authguard_issuer: Mint,
    authguard_clock: FakeClock,
    network: Network,
) -> Callable[..., ValidatorHarness]:
    """Build a validator for the issuer on the scripted network, with a timeout for busy machines."""

    def build(timeout: float = 10.0) -> ValidatorHarness:
        described = issuer_of(authguard_issuer, discovery=True, stale_keys=3_600.0, max_lifetime=36_000.0)
        refresh_policy = RefreshPolicy(timeout=timeout, refresh=300.0, cooldown=30.0, retry=2.0)
        return ValidatorHarness(
            make(described, client=network.client(), refresh_policy=refresh_policy), authguard_clock
        )

    return build


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a test's coroutine function on both event loops."""
    return lambda work: anyio.run(work, backend=request.param)
