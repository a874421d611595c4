"""A deployment for one walk: the real guard over ASGI with real tokens, a clock that a walk moves, and a log in memory.

An action never depends on an earlier answer, except that it may name the last transaction of its customer. So one walk
runs the same under two policies.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import httpx2
import msgspec

from authguard import AuthGuard, factory
from authguard.core.events import MACHINES
from authguard.records.entries import DecisionEntry, Entry, FaultEntry, TransitionEntry, WithdrawalEntry
from authguard.runtime import sign_out_delay
from authguard.runtime.rollback import Rollback
from authguard.testing import FakeClock, Mint
from tests.campaign import doubles
from tests.campaign.extension import ENVIRON
from tests.campaign.vocabulary import AGENT, AUDIENCE, CHANNEL_SECRET, ISSUER
from tests.support.harness import ListSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authguard.core.policy import Policy
    from authguard.core.snapshot import Snapshot

START: Final = 1_800_000_000.0
#: a key file beside the policies, so that no guard creates one
KEYS_FILE: Final = "keys.json"
PSEUDONYM_KEY: Final = b"k" * 32
TOKEN_LIFETIME_S: Final = 3_600
PREFIX: Final = "/.authguard"
#: value of a request -> the header that carries it
_PLAIN_HEADERS: Final = {"report": "x-report", "flag": "x-flag", "app_status": "x-status", "tenant": "x-tenant"}


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of a walk.

    Attributes:
        kind: ``request``, ``sign_in``, ``refresh``, ``wait``, ``own`` (an endpoint of the guard), ``status``,
            ``screened`` and ``tier`` (what services of the app answer from now on), ``engage``, ``release``,
            ``impaired``, ``settle``.
        who: subject.
        sid: session.
        values: the rest, by kind.
    """

    kind: str
    who: str = ""
    sid: str = ""
    values: dict[str, Any] = {}


class Seen(msgspec.Struct, frozen=True):
    """What an action brought.

    Attributes:
        action: as sent.
        at: time of it.
        status: of the reply; 0 without one.
        ran: operation that the app ran; empty for none.
        body: of the reply, parsed; empty if it is no JSON object.
        entries: of the log.
        claims: of the token that was sent; empty without one.
    """

    action: Action
    at: float
    status: int
    ran: str
    body: dict[str, Any]
    entries: tuple[Entry, ...]
    claims: dict[str, Any] = {}

    @property
    def decisions(self) -> tuple[DecisionEntry, ...]:
        """Return the decisions."""
        return tuple(one for one in self.entries if isinstance(one, DecisionEntry))

    @property
    def transitions(self) -> tuple[TransitionEntry, ...]:
        """Return the transitions."""
        return tuple(one for one in self.entries if isinstance(one, TransitionEntry))

    @property
    def moves(self) -> tuple[TransitionEntry, ...]:
        """Return the transitions of machines, without changes of flags."""
        return tuple(one for one in self.transitions if one.machine in MACHINES)

    @property
    def faults(self) -> tuple[FaultEntry, ...]:
        """Return the faults."""
        return tuple(one for one in self.entries if isinstance(one, FaultEntry))

    @property
    def answer(self) -> tuple[int, str, tuple[tuple[str, str, str], ...]]:
        """Return what two policies are compared by."""
        decided = tuple((one.operation, one.outcome, one.fallback) for one in self.decisions)
        return self.status, self.ran, decided


class App:
    """The guarded app: it does what a header of the walk says, and notes that it ran."""

    def __init__(self) -> None:
        self.ran = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        guard = scope["state"]["authguard"]
        self.ran = guard.operation
        headers = dict(scope["headers"])
        reports = headers.get(b"x-report", b"").decode().split(",") if guard.subject else ()
        for event in filter(None, reports):
            if event == "everywhere":
                await guard.end_session(everywhere=True)
            else:
                await guard.report(event)
        if flag := headers.get(b"x-flag", b"").decode() if guard.subject else "":
            await guard.set_flag(flag, "seen")
        more = True
        while more:
            more = (await receive()).get("more_body", False)
        status = int(headers.get(b"x-status", b"200"))
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"done"})


class World:
    """One deployment.

    Args:
        policy: compiled.
        folder: with `KEYS_FILE` and a signing key.
        store: ``memory``, or the path of a SQLite file.
    """

    def __init__(self, policy: Policy, folder: Path, store: str | Path = "memory") -> None:
        self.policy = policy
        self.clock = FakeClock(START)
        self.mint = Mint.create(self.clock, issuer=ISSUER, audience=AUDIENCE)
        self.sink = ListSink()
        self.app = App()
        self.tokens: dict[tuple[str, str], dict[str, Any]] = {}
        self.signed: dict[str, str] = {}
        self.held: dict[str, str] = {}
        for answers in doubles.ANSWERS.values():
            answers.clear()
        with _composed(policy, self.sink):
            self.guard = AuthGuard(
                self.app,
                folder / "campaign.yaml",
                store=store,
                audit_log=folder / "audit.jsonl",
                pseudonym_key=PSEUDONYM_KEY,
                signing_key=folder / "signing.key",
                allowed_modules=("tests.campaign.doubles",),
                clock=self.clock,
                environ=ENVIRON,
            )
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.guard), base_url="http://campaign.test")

    async def run(self, walk: tuple[Action, ...]) -> list[Seen]:
        """Run a walk to its end."""
        return [await self.act(action) for action in walk]

    async def close(self) -> None:
        """Close the guard."""
        await self.client.aclose()
        await self.guard.enforcer.close()

    async def act(self, action: Action) -> Seen:
        """Do one thing."""
        begin, at = len(self.sink.entries), self.clock.now()
        self.app.ran = ""
        values = action.values
        status, body = 0, b""
        claims: dict[str, Any] = {}
        match action.kind:
            case "wait":
                self.clock.advance(values["seconds"])
            case "sign_in" | "refresh":
                self._sign_in(action)
            case "status" | "screened" | "tier":
                doubles.ANSWERS[action.kind][action.who] = values["word"]
            case "request" | "own":
                status, body, claims = await self._request(action)
            case "engage":
                await self.guard.enforcer.open()
                await Rollback(self.guard.enforcer.repository).engage("operator", "campaign")
            case "release":
                await self.guard.enforcer.open()
                await Rollback(self.guard.enforcer.repository).release("operator", "campaign")
            case "impaired":
                await self.guard.control.report("service.impaired", "campaign")
            case _:
                raise AssertionError(action)
        try:
            found = json.loads(body)
        except ValueError:
            found = {}
        reply = found if isinstance(found, dict) else {}
        if reply.get("transaction"):
            self.held[action.who] = str(reply["transaction"])
        entries = self.sink.entries[begin:]
        void = {record for one in entries if isinstance(one, WithdrawalEntry) for record in one.records}
        kept = tuple([one for one in entries if getattr(one, "id", "") not in void])
        return Seen(action, at, status, self.app.ran, reply, kept, claims)

    def _sign_in(self, action: Action) -> None:
        now = int(self.clock.now())
        name = (action.who, action.sid)
        claims: dict[str, Any] = {"sub": action.who, "sid": action.sid, "auth_time": now}
        if action.kind == "refresh":
            claims = self.tokens.get(name, claims)
        claims = claims | action.values | {"iat": now}
        self.tokens[name] = claims
        self.signed.pop(str(name), None)

    def token(self, who: str, sid: str, *, is_expired: bool = False) -> tuple[str, dict[str, Any]]:
        """Return the current token of a session, with its claims; the first use signs in, and a late one refreshes."""
        if (who, sid) not in self.tokens:
            self._sign_in(Action("sign_in", who, sid, {}))
        name, now = str((who, sid)), int(self.clock.now())
        if now >= self.tokens[who, sid]["iat"] + TOKEN_LIFETIME_S and not is_expired:
            self.tokens[who, sid] |= {"iat": now}  # the client refreshes it
            self.signed.pop(name, None)
        claims = self.tokens[who, sid]
        if name not in self.signed:
            sent = {"acr": "aal2", "scope": "chat read pay", "account_status": "ok", **claims}
            sent["exp"] = int(sent["iat"]) + TOKEN_LIFETIME_S
            drop = [one for one, value in sent.items() if value is None]
            self.signed[name] = self.mint.mint(drop=drop, **sent)
        return self.signed[name], dict(claims)

    async def _request(self, action: Action) -> tuple[int, bytes, dict[str, Any]]:
        values = action.values
        headers, claims = self._headers(action)
        path = values["path"].replace("{transaction}", self.held.get(values.get("of", action.who), "unknown"))
        path = path.replace("{account}", values.get("account", "alice"))
        content = json.dumps(values["body"]).encode() if "body" in values else b""
        if content:
            headers["content-type"] = "application/json"
        try:
            reply = await self.client.request(values["method"], path, headers=headers, content=content)
        except httpx2.HTTPError as error:  # the app's own error, which the guard passes on
            raise AssertionError(f"{action}: {error!r}") from error
        return reply.status_code, reply.content, claims

    def _headers(self, action: Action) -> tuple[dict[str, str], dict[str, Any]]:
        values = action.values
        headers: dict[str, str] = {}
        claims: dict[str, Any] = {}
        kind = values.get("token", "good")
        if kind in ("good", "old"):
            token, claims = self.token(action.who, action.sid, is_expired=kind == "old")
            headers["authorization"] = f"Bearer {token}"
        elif kind == "broken":
            headers["authorization"] = f"Bearer {self.token(action.who, action.sid)[0][:-8]}AAAAAAAA"
        if "channel" in values:
            headers |= {"x-channel": values["channel"], "x-channel-secret": CHANNEL_SECRET}
        if "key" in values:
            headers["idempotency-key"] = values["key"]
        if values.get("names") and action.who in self.held:
            headers["authguard-transaction"] = self.held[action.who]
        if "segment" in values:
            headers |= {"x-segment": values["segment"], "x-segment-secret": CHANNEL_SECRET}
        headers |= {header: str(values[name]) for name, header in _PLAIN_HEADERS.items() if name in values}
        return headers, claims

    async def snapshot(self, who: str, sid: str) -> Snapshot:
        """Return the stored states of a session."""
        enforcer = self.guard.enforcer
        from authguard.core.record_keys import account_key, session_key  # noqa: PLC0415
        from authguard.core.snapshot import Keys  # noqa: PLC0415

        keys = Keys(account_key(ISSUER, who), session_key(ISSUER, who, "app-1", sid))
        return (await enforcer.repository.load(keys)).snapshot


def actor_claim(name: str = AGENT) -> dict[str, Any]:
    """Return the claim of a token with which another acts for the subject (RFC 8693 4.1)."""
    return {"act": {"sub": name}}


@contextmanager
def _composed(policy: Policy, sink: ListSink) -> Iterator[None]:
    """Let the factory build a guard of a compiled policy and a log in memory."""
    with (
        patch.object(factory, "load", lambda *_: policy),
        patch.object(factory, "create_sink", lambda *_: sink),
    ):
        yield


@contextmanager
def no_delay() -> Iterator[None]:
    """Let the reply to a sign-out wait on the clock of the walk, as it waits on the system's at run time."""

    async def wait(clock: FakeClock, _: Snapshot) -> None:
        clock.advance(1.0)

    with patch.object(sign_out_delay, "wait_for_next_second", wait):
        yield


def prepare(folder: Path) -> None:
    """Write the keys of the issuer and of the log."""
    from authguard import signing_key  # noqa: PLC0415

    mint = Mint.create(FakeClock(START), issuer=ISSUER, audience=AUDIENCE)
    (folder / KEYS_FILE).write_text(json.dumps(mint.jwks("ES256")), "utf-8")
    (folder / "campaign.yaml").write_text("{}", "utf-8")
    signing_key.load_keys("", str(folder / "own"))
    signing_key.key_file_path(str(folder / "own")).rename(folder / "signing.key")
