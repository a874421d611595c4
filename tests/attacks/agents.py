"""Attacks by whoever is taken for somebody else: a partner's supervisor or agent, a machine, an unrecognised agent."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from tests.attacks.harness import ask, attack
from tests.attacks.money import PLACE, Bank
from tests.attacks.people import token_of, two_issuers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.attacks.harness import Answer, Site

OPERATIONS: Final = """\
  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}
  - {name: order, match: {path: /order, method: GET}, risk: sensitive, effect: read, scopes: [chat]}
  - {name: feed, match: {path: /feed, method: POST}, risk: routine, effect: read, scopes: [chat], actor: required}
  - name: pay
    match: {path: /pay, method: POST}
    risk: high
    effect: write
    scopes: [pay]
    amount: {at: /amount, currency: {at: /currency}}
    limits: [{amount: 100 EUR, per: call}]"""
AGENTS: Final = (
    "agents: [{issuer: https://issuer.test, client: concierge}]\nstaff: {claim: roles, issuer: https://issuer.test}\n"
)
OLD: Final = "agents: [concierge]\n"
SMALL: Final = {"amount": 50, "currency": "EUR"}
LARGE: Final = {"amount": 5_000, "currency": "EUR"}


class Door:
    """The guarded app, and what ran in it."""

    def __init__(self, site: Site) -> None:
        self.runs: list[str] = []
        self.guard = site.guard(self._app)

    async def _app(self, scope: Any, _receive: Any, send: Any) -> None:
        self.runs.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def ask(
        self,
        path: str,
        token: str,
        body: object = None,
        *,
        method: str = "POST",
        headers: Sequence[tuple[str, str]] = (),
    ) -> Answer:
        """Ask for something with a token."""
        content = json.dumps(body).encode() if body is not None else b""
        sent = [("content-type", "application/json"), *headers] if content else headers
        return await ask(self.guard, method, path, token, sent, content)

    async def hold(self, token: str) -> str:
        """Ask for a payment over the limit, and return where it waits."""
        held = await self.ask("/pay", token, LARGE)
        assert held.status == 202, held
        return held.header("location")


@attack(13)
def a_partners_supervisor_decides(site: Site) -> None:
    """List, read and approve a customer's payment with the role `supervisor` of another issuer."""
    partner = two_issuers(site, OPERATIONS, AGENTS, OLD)

    async def scene() -> None:
        door = Door(site)
        place = await door.hold(token_of(site.mint, "alice"))
        theirs = token_of(partner, "mallory", roles=["supervisor"])
        listed = await door.ask("/.authguard/transactions", theirs, method="GET")
        assert "pay" not in listed.body.decode(), "a partner's supervisor lists a customer's payments"
        assert (await door.ask(place, theirs, method="GET")).status == 404, "a partner's supervisor reads a payment"
        approved = await door.ask(f"{place}/approve", theirs, {"reason": "mine"})
        assert approved.status in {403, 404}, f"a partner's supervisor approves a payment: {approved.status}"
        ours = token_of(site.mint, "sam", roles=["supervisor"])
        assert (await door.ask(f"{place}/approve", ours, {"reason": "fine"})).status == 200

    asyncio.run(scene())


@attack(13)
def a_partners_client_is_our_agent(site: Site) -> None:
    """Come to an operation for agents as a partner's client that has the name of one of ours, or is said to be one."""
    partner = two_issuers(site, OPERATIONS, AGENTS, OLD)

    async def scene() -> None:
        door = Door(site)
        for claims in (
            {"client_id": "concierge"},
            {"act": {"sub": "concierge"}},
            {"act": {"sub": "concierge", "iss": "https://issuer.test"}},
        ):
            answer = await door.ask("/feed", token_of(partner, "mallory", **claims))
            assert answer.status == 403, f"a partner names our agent by {claims}: {answer.status}"
        own = await door.ask("/feed", token_of(site.mint, "alice", act={"sub": "concierge"}))
        assert own.status == 200, "our own agent is not known"

    asyncio.run(scene())


@attack(13)
def nobody_is_told_to_name_the_issuer(site: Site) -> None:
    """Check a policy with two issuers that says of neither agents nor staff whose they are."""
    two_issuers(site, OPERATIONS, AGENTS, OLD)
    text = (site.folder / "policy.yaml").read_text("utf-8").replace(AGENTS, OLD)
    site.policy(text)
    told = site.command("policy", "check", "policy.yaml")
    assert told.code, "agents and roles of each of two issuers are believed, and the check says nothing"
    said = " ".join((told.out + told.err).split())
    assert "client: concierge}" in said, f"it does not say what to type for the agent: {said}"
    assert "staff: {claim: roles, issuer:" in said, f"it does not say what to type for staff: {said}"


@attack(13)
def an_agent_is_known_by_another_claim(site: Site) -> None:
    """Pay as a registered agent whose issuer names clients by `cid` (Okta) or `appid` (Entra ID)."""
    two_issuers(site, OPERATIONS, AGENTS, OLD)

    async def scene() -> None:
        door = Door(site)
        for claim in ("cid", "appid", "azp", "client_id"):
            token = _signed(site, f"alice-{claim}", **{claim: "concierge"})
            answer = await door.ask("/pay", token, SMALL)
            assert answer.status == 202, f"an agent that `{claim}` names pays like the person: {answer.status}"
        for one in ("cid", "appid", "azp"):
            token = token_of(site.mint, f"bob-{one}", client_id="app", **{one: "concierge"})
            answer = await door.ask("/pay", token, SMALL)
            assert answer.status == 401, f"a token with two clients is taken: {answer.status}"

    asyncio.run(scene())


def _signed(site: Site, sub: str, **claims: Any) -> str:
    """Sign a token that names its client in the given claim only."""
    return site.mint.mint(drop=("client_id",) if "client_id" not in claims else (), **_person(sub), **claims)


def _person(sub: str) -> dict[str, Any]:
    return {"sub": sub, "scope": "chat pay", "acr": "aal2", "sid": f"sid-{sub}"}


#: access tokens of clients that signed in by their own credentials, as providers document them
MACHINES: Final[dict[str, dict[str, Any]]] = {
    "okta": {"sub": "0oa1", "cid": "0oa1"},
    "auth0": {"sub": "m2m@clients", "azp": "m2m", "gty": "client-credentials"},
    "entra-v1": {"sub": "oid", "oid": "oid", "appid": "app-guid", "appidacr": "1", "roles": ["chat"]},
    "entra-idtyp": {"sub": "pairwise", "oid": "oid", "azp": "app-guid", "idtyp": "app"},
    "keycloak": {"sub": "uuid", "azp": "robot", "preferred_username": "service-account-robot"},
    "cognito": {"sub": "client-1", "client_id": "client-1", "token_use": "access"},
}


@attack(13)
def a_machine_is_the_customer(site: Site) -> None:
    """Come with a token of the client-credentials grant, which names no person, as if it were a customer."""
    two_issuers(site, OPERATIONS, AGENTS, OLD)

    async def scene() -> None:
        door = Door(site)
        for name, claims in MACHINES.items():
            token = site.mint.mint(drop=("client_id",) if "client_id" not in claims else (), **(_person("") | claims))
            for path, method in (("/chat", "POST"), ("/order", "GET")):
                answer = await door.ask(path, token, method=method)
                assert answer.status == 403, f"a machine of {name} is served {path}: {answer.status}"

    asyncio.run(scene())


@attack(13)
def a_machine_that_comes_alone_is_verified(site: Site) -> None:
    """Come as a machine that the policy admits, and be taken for a person whose identity is proven, or for staff."""
    alone = "{issuer: https://issuer.test, client: robot, alone: true}"
    more = f"agents: [{alone}]\nstaff: {{claim: roles, issuer: https://issuer.test}}\n"
    two_issuers(site, OPERATIONS, more, "agents: [robot]\n")

    async def scene() -> None:
        door = Door(site)
        robot = _signed(site, "robot", client_id="robot", roles=["supervisor"])
        other = _signed(site, "other", client_id="other")
        seen = await door.ask("/chat", robot)
        assert seen.status == 200, f"a machine that is admitted is refused: {seen.status}"
        assert (await door.ask("/chat", other)).status == 403, "a machine that nobody admitted is served"
        read = await door.ask("/order", robot, method="GET")
        assert read.status == 403, f"a machine is taken for a person who proved who they are: {read.status}"
        place = await door.hold(token_of(site.mint, "alice"))
        approved = await door.ask(f"{place}/approve", robot, {"reason": "automatic"})
        assert approved.status in {403, 404}, f"a machine approves a payment: {approved.status}"

    asyncio.run(scene())


@attack(13)
def an_actor_of_another_issuer_approves(site: Site) -> None:
    """Have somebody of another issuer act for a customer, and approve that payment as the same person at home."""
    both = "staff: {claim: roles, issuer: [https://issuer.test, https://partner.test]}\n"
    partner = two_issuers(site, OPERATIONS, "agents: [{issuer: https://issuer.test, client: concierge}]\n" + both, OLD)

    async def scene() -> None:
        door = Door(site)
        chain = {"sub": "concierge", "act": {"sub": "mallory", "iss": "https://partner.test"}}
        place = await door.hold(token_of(site.mint, "alice", act=chain))
        theirs = token_of(partner, "mallory", roles=["supervisor"])
        approved = await door.ask(f"{place}/approve", theirs, {"reason": "mine"})
        assert approved.status == 403, f"who acts for the customer approves the payment: {approved.status}"

    asyncio.run(scene())


@attack(13)
def an_agent_reads_what_waits_for_its_supervisor(site: Site) -> None:
    """Act for a supervisor, and list and read the payments of everybody that wait for one."""
    bank = Bank(site)

    async def run() -> list[str]:
        name = await bank.hold("k", 90)
        read: list[str] = []
        for claims in ({"act": {"sub": "concierge"}}, {"client_id": "concierge"}):
            token = site.token("dana", roles=["supervisor"], **claims)
            for target in (PLACE, f"{PLACE}/{name}"):
                answer = await ask(bank.guard, "GET", target, token)
                read += [target] if name in answer.body.decode() else []
        seen = await bank.see(name)
        assert seen["transaction"] == name, f"the supervisor sees {seen}"
        return read

    assert not asyncio.run(run()), "the agent of a supervisor read a payment of somebody else"
