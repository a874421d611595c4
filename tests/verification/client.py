"""A customer of a guarded app and a verification service, both servers on loopback.

Rules: what a customer was told is what came over the wire; where the machines stand is read from the store. Nothing
sleeps: time is the clock's, and only what the policy itself waits for (a time-out of 100 ms, a hedge) takes any.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard import AuthGuard, current_guard
from authguard.core.record_keys import account_key, session_key
from authguard.core.snapshot import Keys
from authguard.testing import FakeClock, Mint, SigningKey
from tests.support.harness import AUDIENCE, ISSUER
from tests.verification.behaviours import SHAPES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request

    from tests.verification.behaviours import Behaviour
    from tests.verification.scripted_server import Remote

#: what can be asked: risk and effect -> method and path
OPERATIONS: Final = MappingProxyType(
    {
        "public": ("GET", "/hours"),
        "self": ("GET", "/.authguard/session"),
        "routine, read": ("GET", "/chat"),
        "routine, write": ("POST", "/note"),
        "sensitive, read": ("GET", "/balance"),
        "sensitive, write": ("POST", "/address"),
        "high, read": ("GET", "/statement"),
        "high, write": ("POST", "/refund"),
        "staff": ("POST", "/.authguard/accounts/somebody/reinstate"),
    }
)
#: the operation for which the customer proves who they are
WANTED: Final = "sensitive, read"
#: steps after which somebody who does as they are told has got somewhere
FAR: Final = 12

POLICY: Final = """\
authguard: 1
name: bank
extends: standard
issuers:
  - {{issuer: {issuer}, audience: {audience}, algorithms: [ES256], keys: {{file: keys.json}}}}
accounts: none
staff: {{claim: roles, authority: {{reinstate: clerk}}}}
operations:
{operations}
otherwise: {{risk: sensitive, effect: write}}
verifiers:
  otp: {otp}
{more}  document: {{type: http, url: URL/document, pass_at: 0.9, fail_at: 0.4, timeout: 20s}}
methods:
  default: {{{default}, attempts: 3, per: 15m}}
  alternate: {{all: [document], attempts: 2, per: 15m}}
"""


def policy(shape: str, url: str) -> str:
    """Write the standard policy of a deployment that is set up in one of the `SHAPES`."""
    otp, more, default = SHAPES[shape]
    operations = "\n".join(
        f"  - {{name: {path.strip('/')}, match: {{path: {path}, method: {method}}}, risk: {risk}, effect: {effect}}}"
        for asked, (method, path) in OPERATIONS.items()
        if not path.startswith("/.")
        for risk, effect in [(asked.partition(", ")[0], asked.partition(", ")[2] or "read")]
    )
    text = POLICY.format(issuer=ISSUER, audience=AUDIENCE, operations=operations, otp=otp, more=more, default=default)
    return text.replace("URL", url)


async def _answers(request: Request) -> JSONResponse:
    """Be the app; it reports what it is told to."""
    if event := request.query_params.get("report"):
        await current_guard(request).report(event)
    return JSONResponse({"app": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came back over the wire.

    Attributes:
        status: HTTP status.
        outcome: one of the eleven; of the operation that wanted the proof, where an answer to a verifier was sent.
        words: that the customer reads; empty where the app itself answers.
        next: what to do, as the reply says.
        after: seconds to wait first; 0 for none.
        methods: that may be tried.
    """

    status: int
    outcome: str
    words: str
    next: str
    after: int = 0
    methods: tuple[str, ...] = ()


def told(answer: httpx2.Response) -> Told:
    """Read a reply as a client does."""
    body = answer.json()
    if answer.headers["content-type"] != "application/problem+json":
        following = body.get("next", {}).get("action", "")
        return Told(status=answer.status_code, outcome="allow", words="", next=following)
    following = body["next"]
    return Told(
        status=answer.status_code,
        outcome=body.get("outcome", "refused"),
        words=body["detail"],
        next=following["action"],
        after=int(answer.headers.get("retry-after", 0)),
        methods=tuple(following.get("methods", ())),
    )


@dataclass(slots=True)
class Bank:
    """One guarded app in one shape, with its customers."""

    remote: Remote
    clock: FakeClock
    mint: Mint
    guard: AuthGuard
    http: httpx2.AsyncClient
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def visit(self, behaviour: Behaviour) -> Visit:
        """Let a customer come by, to whose questions the service does what the behaviour says."""
        made = Visit(self, f"customer-{next(self.numbers)}")
        for place, words in behaviour.script.items():
            self.remote.script[place, made.subject] = list(words)
        return made


@asynccontextmanager
async def opened(shape: str, remote: Remote, folder: Path) -> AsyncIterator[Bank]:
    """Serve a bank with uvicorn on a free port of this machine."""
    clock = FakeClock()
    mint = Mint(clock, ISSUER, AUDIENCE, MappingProxyType({"ES256": SigningKey.generate("ES256")}))
    (folder / "keys.json").write_text(json.dumps(mint.jwks("ES256")), "utf-8")
    (folder / "policy.yaml").write_text(policy(shape, remote.url), "utf-8")
    routes = [
        Route(path, _answers, methods=[method]) for method, path in OPERATIONS.values() if not path.startswith("/.")
    ]
    guard = AuthGuard(
        Starlette(routes=routes),
        folder / "policy.yaml",
        store="memory",
        audit_log=folder / "audit.jsonl",
        pseudonym_key=bytes(32),
        allowed_modules=("tests.verification.behaviours",),
        clock=clock,
        environ={},
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = uvicorn.Server(uvicorn.Config(guard, lifespan="on", log_config=None, access_log=False))
        served = asyncio.create_task(server.serve(sockets=[listener]))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=address, trust_env=False, timeout=300) as http:
            yield Bank(remote, clock, mint, guard, http)
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await served


@dataclass(slots=True)
class Visit:
    """One customer in one session.

    Attributes:
        bank: where.
        subject: who.
        sid: of the session.
        began: when they signed in.
        asked_before: questions that the service had been asked by then.
        last: what the last answer to a verifier got.
    """

    bank: Bank
    subject: str
    sid: str = "here"
    began: float = 0.0
    asked_before: int = 0
    last: Told | None = None

    def __post_init__(self) -> None:
        self.began = self.bank.clock.now()
        self.asked_before = len(self.bank.remote.asked)

    @property
    def remote(self) -> Remote:
        """The service."""
        return self.bank.remote

    @property
    def clock(self) -> FakeClock:
        """The time."""
        return self.bank.clock

    def other(self, word: str) -> Visit:
        """Let somebody else come by, for whom the service does something."""
        made = Visit(self.bank, f"customer-{next(self.bank.numbers)}")
        self.remote.script["otp", made.subject] = [word]
        return made

    def elsewhere(self) -> Visit:
        """Be signed in on another device too."""
        return Visit(self.bank, self.subject, sid="elsewhere")

    async def ask(self, operation: str) -> Told:
        """Ask for something."""
        method, path = OPERATIONS[operation]
        return await self._send(method, path, {"reason": "they came by"} if method == "POST" else None)

    async def answer(self, method: str = "default") -> Told:
        """Answer all verifiers of a method, as the customer who they are."""
        shape = self.bank.guard.enforcer.policy.methods[method]
        answers = dict.fromkeys(shape.verifiers, "123456")
        self.last = await self._send("POST", "/.authguard/verify", {"method": method, "answers": answers})
        return self.last

    async def report(self, event: str) -> None:
        """Have the app report something of this customer."""
        assert (await self._send("GET", f"/chat?report={event}", None)).status == 200

    async def _send(self, method: str, path: str, body: Any) -> Told:
        token = self.bank.mint.mint(
            sub=self.subject, sid=self.sid, acr="aal2", auth_time=int(self.began), roles=["clerk"]
        )
        headers = {"authorization": f"Bearer {token}"}
        return told(await self.bank.http.request(method, path, headers=headers, json=body))

    async def state(self) -> str:
        """Tell where this session's verification stands."""
        keys = Keys(account_key(ISSUER, self.subject), session_key(ISSUER, self.subject, "app-1", self.sid))
        repository = await self.bank.guard.enforcer.repository.load(keys)
        return repository.snapshot.session.verification

    async def way_on(self) -> list[str]:
        """Do as one is told, now that every service works, until there is an end; tell each step.

        Raises:
            AssertionError: it goes in a circle, or who came back when they were told to was sent away again.
        """
        steps: list[str] = []
        for _ in range(FAR):
            said = await self.ask(WANTED)
            while said.outcome == "verify":
                method = said.methods[0]
                said = await self.answer(method)
                steps.append(f"proves it by `{method}`")
                if said.outcome == "allow":
                    said = await self.ask(WANTED)
            match said.outcome:
                case "allow" | "deny":
                    return [*steps, said.outcome]
                case "handoff":
                    return [*steps, "a person"]
                case "retry":
                    waits = f"waits {said.after} s"
                    assert waits not in steps[-1:], f"who waited as told is sent away again: {steps}"
                    if waits in steps:  # it is down for good: the customer knows when to come back, each time
                        return [*steps, f"retry after {said.after} s"]
                    self.clock.advance(said.after)
                    steps.append(waits)
                case other:
                    raise AssertionError(f"no next step: {other}")
        raise AssertionError(f"in a circle: {steps}")
