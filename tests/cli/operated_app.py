"""A deployment that a real app left behind: customers served, refused, held, in doubt and handed over.

`create` serves requests with real tokens and stops the app; commands then work on what is in the folder.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from authguard import AuthGuard
from authguard.cli import main
from authguard.clock import SystemClock
from authguard.testing import Mint

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

POLICY = """\
authguard: 1
name: desk
extends: support-desk
issuers:
  - {issuer: 'https://issuer.test', audience: 'https://agent.test', algorithms: [ES256], keys: {file: keys.json}}
agents: [{issuer: 'https://issuer.test', client: concierge}]
rollback: {authority: {engage: {role: operations}, release: {role: operations}}}
flags:
  hurried: {by: subject, expires: 24h, set_by: [{app: report}, {role: fraud}], cleared_by: [{role: fraud}]}
decisions:
  - {when: {credential: good, session: active, risk: high, account: normal, hurried: set}, do: slow_down}
"""
OK, FAILED = 200, 500
STRONG: dict[str, Any] = {"acr": "aal2", "scope": "chat refunds:write", "account_status": "ok"}


@dataclass(frozen=True, slots=True)
class OperatedApp:
    """What an app left behind.

    Attributes:
        folder: with the policy, the store, the log and the keys of the issuer.
        token: a valid token of alice.
        session: key of alice's session.
        decision: id of the record of alice's admitted request.
        refused: `instance` of a request of bob, whose token had expired.
        held: id of a transaction of alice's agent that waits for an approval.
        in_doubt: id of a transaction of carol whose result is unknown.
        ticket: id of the hand-off ticket of erin.
    """

    folder: Path
    token: str
    session: str
    decision: str
    refused: str
    held: str
    in_doubt: str
    ticket: str

    @property
    def variables(self) -> dict[str, str]:
        """The variables that name the deployment."""
        return {
            "AUTHGUARD_POLICY": str(self.folder / "policy.yaml"),
            "AUTHGUARD_STORE": str(self.folder / "var" / "authguard.db"),
            "AUTHGUARD_AUDIT_LOG": str(self.folder / "var" / "audit.jsonl"),
        }


async def _chat(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _refund(_: Request) -> PlainTextResponse:
    raise RuntimeError("the bank does not answer")


def create(folder: Path) -> OperatedApp:
    """Serve requests of several customers in a folder, and stop the app."""
    mint = Mint.create(SystemClock())
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    (folder / "keys.json").write_text(json.dumps(mint.jwks("ES256")), "utf-8")
    app = Starlette(
        routes=[
            Route("/chat", _chat, methods=["POST"]),
            Route("/orders/{order_id}/refund", _refund, methods=["POST"]),
        ]
    )
    guard = AuthGuard(
        app,
        policy=folder / "policy.yaml",
        store=folder / "var" / "authguard.db",
        audit_log=folder / "var" / "audit.jsonl",
        environ={},
    )
    good = mint.mint(sub="alice", **STRONG)
    with TestClient(guard, raise_server_exceptions=False) as client:

        def post(path: str, token: str, **body: Any) -> Any:
            headers = {"authorization": f"Bearer {token}", "idempotency-key": "k1"}
            return client.post(path, json=body, headers=headers)

        assert post("/chat", good).status_code == OK
        agent = mint.mint(sub="alice", act={"sub": "concierge"}, **STRONG)
        held = post("/orders/17/refund", agent, amount="40.50", currency="EUR").json()
        second = mint.mint(sub="carol", sid="session-2", **STRONG)
        assert post("/orders/18/refund", second, amount="30", currency="EUR").status_code == FAILED
        refused = post("/chat", mint.mint(sub="bob", lifetime=-600, **STRONG)).json()
        estate = mint.mint(sub="erin", sid="session-3", **(STRONG | {"account_status": "estate"}))
        handed = post("/chat", estate).json()
    records = [json.loads(line) for line in (folder / "var" / "audit.jsonl").read_bytes().splitlines()]
    admitted = next(one for one in records if one.get("outcome") == "allow")
    doubted = next(one for one in records if one.get("dest") == "in_doubt")
    made = OperatedApp(
        folder=folder,
        token=good,
        session=admitted["session"],
        decision=admitted["id"],
        refused=refused["instance"],
        held=held["next"]["transaction"],
        in_doubt=doubted["transaction"],
        ticket=handed["next"]["ticket"],
    )
    proof = ["audit", "prove", made.decision, "--output", str(folder / "made.proof")]
    with suppress(SystemExit):
        main([*proof, "--log", str(folder / "var" / "audit.jsonl"), "--store", str(folder / "var" / "authguard.db")])
    return made
