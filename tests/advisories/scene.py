"""A deployment with a victim in it, raw ASGI at its door, and what must hold after every attack.

Rule: nothing of the guard is replaced; the store, the log, the clock and the keys are real, only the issuer's HTTP is
scripted where an attack is about keys that are fetched.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from authguard import AuthGuard
from authguard.core.outcomes import RESPONSES, Outcome, Reason
from authguard.testing import FakeClock, Mint
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import httpx2

    from tests.requirements import Reply

KEYS = "keys: {file: keys.json}"
ALGORITHMS = "algorithms: [ES256]"


class Answer(msgspec.Struct):
    """What came over the wire."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str:
        """Give a header that is there at most once."""
        found = [value.decode() for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{name!r} comes twice"
        return found[0] if found else ""


class Scene:
    """One deployment: a policy, an issuer, a store, a log, an app that counts, and a victim who is signed in.

    Args:
        folder: of its own.
        keys: the policy's ``keys:`` of the issuer, and whatever follows it there.
        algorithms: the policy's list.
        jwks: the key file's content; the issuer's own set unless told.
        network: answers the guard's fetches.
        issuer: a name other than the usual.
        replace: pairs of text in the policy, old and new.
        modules: of Python functions.
        environ: the variables.
        more: further arguments of `AuthGuard`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keys: str = KEYS,
        algorithms: str = ALGORITHMS,
        jwks: object = None,
        network: httpx2.AsyncClient | None = None,
        issuer: str = "https://issuer.test",
        replace: Iterable[tuple[str, str]] = (),
        environ: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.mint = Mint.create(self.clock, issuer=issuer)
        self.runs = 0
        text = POLICY
        for old, new in ((KEYS, keys), (ALGORITHMS, algorithms), ("https://issuer.test", issuer), *replace):
            assert old in text, f"the policy does not say {old}"
            text = text.replace(old, new)
        (folder / "policy.yaml").write_text(text, "utf-8")
        published = self.mint.jwks() if jwks is None else jwks
        (folder / "keys.json").write_bytes(
            published if isinstance(published, bytes) else json.dumps(published).encode()
        )
        self.guard = AuthGuard(
            self._app,
            folder / "policy.yaml",
            store="memory",
            audit_log=folder / "audit.jsonl",
            clock=self.clock,
            client=network,
            environ=environ or {},
            **more,
        )

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        self.runs += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the app ran"})

    def good(self, **claims: Any) -> str:
        """Mint the token of the victim, or another that is as good."""
        return self.mint.mint(**{"scope": "chat", "acr": "aal2", "account_status": "ok", **claims})

    async def send(
        self, *headers: tuple[bytes, bytes], method: str = "POST", path: str = "/chat", body: bytes = b""
    ) -> Answer:
        """Ask for the chat, with exactly these headers."""
        bare, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": bare,
            "raw_path": bare.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"shop.test"), *headers],
            "client": ("192.0.2.7", 4711),
            "server": ("shop.test", 80),
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.guard(scope, receive, send)
        start = next(message for message in sent if message["type"] == "http.response.start")
        said = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
        return Answer(start["status"], list(start["headers"]), said)

    def records(self) -> tuple[dict[bytes, bytes], dict[str, dict[str, bytes]]]:
        """Copy everything that is stored."""
        store: Any = self.guard.enforcer.repository.store
        everything = {name: store._records.get(name) for name in store._records}
        return everything, {namespace: dict(documents) for namespace, documents in store._documents.items()}

    def log(self) -> list[dict[str, Any]]:
        """Read the log."""
        path = self.folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


class Strike:
    """Attacks, and asserts the reply and that nobody was moved.

    Attributes:
        folder: the deployment's.
        scene: what is attacked; replace it with `at` before the first attack for another deployment.
        count: of attacks.
        beside: makes what the victim sends beside the credential: a proof of possession, fresh each time.
    """

    def __init__(self, folder: Path, reply: Reply, usual: Scene) -> None:
        self.folder = folder
        self._reply = reply
        self._scene: Scene | None = None
        self._usual = usual
        self._victim = b""
        self.count = 0
        self.beside: Callable[[], tuple[tuple[bytes, bytes], ...]] = tuple

    @property
    def scene(self) -> Scene:
        """Give what is attacked."""
        return self._scene or self._usual

    def at(self, **deployment: Any) -> Scene:
        """Attack another deployment than the usual one; see `Scene`."""
        assert self._scene is None, "it stands already"
        assert not self._victim, "the usual one was attacked already"
        self._scene = Scene(self.folder, **deployment)
        return self._scene

    async def settle(self, token: str | None = None, scheme: bytes = b"Bearer") -> None:
        """Sign the victim in, so that there is somebody to move; before the first attack where not told otherwise."""
        self._victim = scheme + b" " + (token or self.scene.good()).encode()
        answer = await self.scene.send((b"authorization", self._victim), *self.beside())
        assert answer.status == 200, answer.body

    async def __call__(
        self,
        token: str | bytes,
        reason: Reason,
        *more: tuple[bytes, bytes],
        scheme: bytes = b"Bearer",
        settled: bool = True,
        **request: Any,
    ) -> Answer:
        """Send a token and see it refused as the entry says.

        Args:
            token: is sent as ``Authorization: SCHEME token``.
            reason: what the log must say.
            more: further headers.
            scheme: of the header.
            settled: whether a victim is signed in, whom the attack must not move.
            request: method, path and body.
        """
        raw = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
        return await self.send(
            (b"authorization", scheme + b" " + raw), *more, reason=reason, settled=settled, **request
        )

    async def send(self, *headers: tuple[bytes, bytes], reason: Reason, settled: bool = True, **request: Any) -> Answer:
        """Send headers as they are, and see the request refused as the entry says."""
        if settled and not self._victim:
            await self.settle()
        scene = self.scene
        if self.count % 10 == 9:
            scene.clock.advance(1)  # refusals of nobody above a rate share a record, and each is looked for here
        await scene.guard.enforcer.open()  # what it keeps of itself from its start on is no record of anybody
        before, runs = scene.records(), scene.runs
        lines = len(scene.log())
        answer = await scene.send(*headers, **request)
        self.count += 1
        _same(answer, self._reply)
        assert scene.records() == before, "a stored record moved"
        assert scene.runs == runs, "the app ran"
        written = [line for line in scene.log()[lines:] if line["kind"] in ("decision", "refusal")]
        written = [line for line in written if "window" not in line]  # the count of an earlier flood's requests
        assert [line["reason"] for line in written] == [reason.code]
        if self._victim:
            again = await scene.send((b"authorization", self._victim), *self.beside())
            assert again.status == 200, "the victim was moved"
            assert scene.records() == before
        return answer

    async def close(self) -> None:
        """Close the deployment."""
        if self._scene is not None:
            await self._scene.guard.enforcer.close()


def _same(answer: Answer, reply: Reply) -> None:
    """Compare a reply with the one that it must be, to the byte but for the record's id."""
    assert answer.status == reply.status, answer.body
    assert answer.header(b"content-type") == "application/problem+json"
    assert answer.header(b"cache-control") == "no-store"
    assert bool(answer.header(b"retry-after")) is reply.retry
    assert _bare(answer.header(b"www-authenticate")) == reply.challenge
    body = json.loads(answer.body)
    record = body.pop("instance")
    assert record.startswith("urn:authguard:record:")
    if reply.word:
        assert set(body) == {"type", "title", "status", "detail", "next"}
        assert body["type"] == f"urn:authguard:refusal:{reply.word}"
    else:
        assert set(body) == {"type", "title", "status", "detail", "outcome", "operation", "next"}
        assert body["type"] == f"urn:authguard:outcome:{reply.outcome}"
        assert (body["outcome"], body["title"]) == (reply.outcome, RESPONSES[Outcome(reply.outcome)][1])
    assert body["status"] == reply.status
    assert body["next"]["action"] == reply.action
    assert len(body["next"]) == (2 if reply.outcome == "retry" else 1)


def _bare(challenge: str) -> str:
    """Take the parameters out of a challenge that every one of this deployment has."""
    for always in ('realm="test-desk"', 'scope="chat"', 'scope="refunds"'):
        challenge = challenge.replace(f"{always}, ", "").replace(f", {always}", "").replace(f" {always}", "")
    return challenge
