"""A misconfigured issuer is told when the app starts: in the log, by the health endpoint, and to no caller."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from authguard import AuthGuard
from authguard.testing import Mint, SigningKey
from tests.support.issuer_server import METADATA, IssuerServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authguard.testing import FakeClock

_POLICY = """\
authguard: 1
name: health
extends: standard
issuers:
  - {{issuer: '{issuer}', audience: 'https://agent.test', algorithms: [{algorithms}], keys: {keys}}}
accounts: none
fallbacks:
  prove_identity: {{kind: handoff, queue: identity}}
  prove_otherwise: {{kind: handoff, queue: identity}}
operations:
  - {{name: chat, match: {{path: /chat, method: GET}}, risk: routine, effect: read}}
"""


async def _app(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ran"})


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with IssuerServer() as server:
        yield server


class _Scene:
    """A guarded app that has started, and the replies to one caller."""

    def __init__(self, folder: Path, clock: FakeClock, issuer: str, *, algorithms: str = "ES256", keys: str) -> None:
        path = folder / "policy.yaml"
        path.write_text(_POLICY.format(issuer=issuer, algorithms=algorithms, keys=keys), "utf-8")
        self.guard = AuthGuard(_app, path, store="memory", audit_log=folder / "audit.jsonl", clock=clock)
        self.log = folder / "audit.jsonl"
        self.mint = Mint.create(clock, issuer=issuer)

    async def start(self) -> None:
        """Open the guard, and wait for the fetches that it started."""
        await self.guard.enforcer.start()
        validator: Any = self.guard.enforcer._checker
        for source in validator._sources:
            fetch = source.cache._flight.find("keys")
            if fetch is not None:
                await fetch.done.wait()

    async def get(self, path: str, token: str = "") -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.guard), base_url="http://shop") as client:
            return await client.get(path, headers=headers)

    async def health(self) -> Any:
        return (await self.get("/.authguard/healthz")).json()

    def reasons(self) -> list[str]:
        lines = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
        return [
            line.get("reason", "decided")
            for line in lines
            if line["kind"] == "decision" and line.get("operation") == "chat"
        ]


def _run(scene: _Scene, work: Any) -> None:
    async def whole() -> None:
        try:
            await scene.start()
            await work()
        finally:
            await scene.guard.enforcer.close()

    anyio.run(whole)


def _logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(one.levelname, one.getMessage()) for one in caplog.records if "authguard.keys" in one.getMessage()]


def test_good_keys_are_fetched_at_the_start_and_need_no_attention(
    server: IssuerServer, tmp_path: Path, authguard_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    scene = _Scene(tmp_path, authguard_clock, server.url, keys="discovery")
    server.publish(scene.mint.jwks("ES256"))

    async def work() -> None:
        assert server.asked == [METADATA, "/jwks"]
        assert await scene.health() == {"status": "ok"}
        assert (await scene.get("/chat", scene.mint.mint())).status_code == 200
        assert server.asked == [METADATA, "/jwks"]

    _run(scene, work)
    assert _logged(caplog) == []


@pytest.mark.parametrize(
    ("documents", "problem", "words"),
    [
        ({METADATA: {"issuer": "URL/", "jwks_uri": "URL/jwks"}}, "other-issuer", "write `issuer: URL/`"),
        ({METADATA: 404}, "missing", "publishes no metadata"),
        ({"/jwks": 404}, "missing", "responds with status 404"),
        ({"/jwks": {"no": "keys"}}, "malformed", "not a JWK Set"),
        ({"/jwks": {"keys": []}}, "no-usable-key", "the set is empty"),
        (
            {"/jwks": {"keys": [SigningKey.generate("ES256", kid="leaked").jwk() | {"d": "AAAA"}]}},
            "no-usable-key",
            "key `leaked` contains its private part",
        ),
        (
            {"/jwks": {"keys": [SigningKey.generate("EdDSA", kid="other").jwk()]}},
            "algorithms",
            "write `algorithms: [Ed25519]`",
        ),
    ],
)
def test_a_misconfiguration_is_told_at_the_start_and_blames_no_caller(  # noqa: PLR0917 - fixtures
    server: IssuerServer,
    tmp_path: Path,
    authguard_clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    documents: dict[str, Any],
    problem: str,
    words: str,
) -> None:
    scene = _Scene(tmp_path, authguard_clock, server.url, keys="discovery")
    server.publish(scene.mint.jwks("ES256"))
    server.documents |= json.loads(json.dumps(documents).replace("URL", server.url))
    work_done: list[httpx2.Response] = []

    async def work() -> None:
        ((level, text),) = _logged(caplog)
        assert level == "ERROR"
        assert f"keys of issuer `{server.url}` are unusable" in text
        assert words.replace("URL", server.url) in text
        health = await scene.health()
        assert health["status"] == "warning"
        assert health["issuers"][0]["problem"] == problem
        assert "jwks" not in json.dumps(health)
        work_done.append(await scene.get("/chat", scene.mint.mint()))

    _run(scene, work)
    (refused,) = work_done
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert "WWW-Authenticate" not in refused.headers
    assert scene.reasons() == ["keys-unusable"]


def test_an_outage_at_the_start_is_an_outage_and_over_when_it_is_over(
    server: IssuerServer, tmp_path: Path, authguard_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    scene = _Scene(tmp_path, authguard_clock, server.url, keys="discovery")
    server.publish(scene.mint.jwks("ES256"))
    good, server.documents["/jwks"] = server.documents["/jwks"], 503

    async def work() -> None:
        assert await scene.health() == {
            "status": "warning",
            "issuers": [{"issuer": server.url, "keys": "unreachable"}],
        }
        assert (await scene.get("/chat", scene.mint.mint())).status_code == 503
        server.documents["/jwks"] = good
        authguard_clock.advance(3)
        assert (await scene.get("/chat", scene.mint.mint())).status_code == 200
        assert await scene.health() == {"status": "ok"}

    _run(scene, work)
    assert scene.reasons() == ["keys-unreachable", "decided"]
    assert [level for level, _ in _logged(caplog)] == ["WARNING", "INFO"]


def test_ignored_keys_are_told_once_and_take_nothing_away(
    server: IssuerServer, tmp_path: Path, authguard_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    scene = _Scene(tmp_path, authguard_clock, server.url, keys="discovery")
    encryption = SigningKey.generate("RS256", kid="enc").jwk() | {"use": "enc", "alg": "RSA-OAEP"}
    server.publish({"keys": [encryption, *scene.mint.jwks("ES256")["keys"]]})

    async def work() -> None:
        assert (await scene.get("/chat", scene.mint.mint())).status_code == 200
        authguard_clock.advance(300)
        assert (await scene.get("/chat", scene.mint.mint())).status_code == 200
        await scene.start()
        ignored = [{"kid": "enc", "cause": "encryption"}]
        issuers = [{"issuer": server.url, "keys": "ok", "ignored": ignored}]
        assert await scene.health() == {"status": "ok", "issuers": issuers}

    _run(scene, work)
    assert len(server.asked) == 4
    ((level, text),) = _logged(caplog)
    assert (level, "key `enc` is for encryption" in text) == ("INFO", True)


def test_keys_of_a_file_and_keys_without_tls_are_told_too(
    tmp_path: Path, authguard_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    scene = _Scene(tmp_path, authguard_clock, "https://idp.test", keys="{file: keys.json}")
    weak = SigningKey.generate("ES256", kid="leaked").jwk() | {"d": "AAAA"}
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [weak, *scene.mint.jwks("ES256")["keys"]]}), "utf-8")

    async def work() -> None:
        ignored = [{"kid": "leaked", "cause": "private"}]
        issuers = [{"issuer": "https://idp.test", "keys": "ok", "ignored": ignored}]
        assert await scene.health() == {"status": "ok", "issuers": issuers}
        assert (await scene.get("/chat", scene.mint.mint())).status_code == 200

    _run(scene, work)
    ((level, text),) = _logged(caplog)
    assert (level, "key `leaked` contains its private part" in text) == ("WARNING", True)


def test_an_exception_for_http_is_told_at_each_start(
    server: IssuerServer, tmp_path: Path, authguard_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    keys = f"{{jwks_uri: '{server.url}/jwks', insecure_http: true}}"
    scene = _Scene(tmp_path, authguard_clock, "https://idp.test", keys=keys)
    server.documents["/jwks"] = scene.mint.jwks("ES256")

    async def work() -> None:
        assert (await scene.get("/chat", scene.mint.mint())).status_code == 200
        issuers = [{"issuer": "https://idp.test", "keys": "ok", "insecure_http": True}]
        assert await scene.health() == {"status": "ok", "issuers": issuers}

    _run(scene, work)
    told = _logged(caplog)
    assert {level for level, _ in told} == {"WARNING"}
    assert all("fetched without TLS" in text for _, text in told)
