"""Attacks by a name that two people share: a subject is unique within its issuer only (RFC 7519 4.1.2)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from authguard.testing.keys import compact
from tests.attacks.harness import ask, attack
from tests.attacks.people import token_of, two_issuers

if TYPE_CHECKING:
    from tests.attacks.harness import Site

CHAT = "  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}"


def _notes(by: str) -> Any:
    """Return an app that keeps a note for each user, by what it finds as the user's name."""
    kept: dict[str, str] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        said = (await receive())["body"].decode()
        name = getattr(scope["user"], by)
        if said:
            kept[name] = said
        body = json.dumps({"kept": kept.get(name, "")}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


def _reads_it(site: Site, by: str) -> None:
    partner = two_issuers(site, CHAT)
    guard = site.guard(_notes(by))

    async def scene() -> None:
        mine = token_of(site.mint, "alice")
        assert (await ask(guard, "POST", "/chat", mine, body=b"my diary")).status == 200
        assert (await ask(guard, "POST", "/chat", mine)).json() == {"kept": "my diary"}
        theirs = await ask(guard, "POST", "/chat", token_of(partner, "alice"))
        assert theirs.json() == {"kept": ""}, f"a namesake of another issuer reads what was kept by `{by}`"

    asyncio.run(scene())


@attack(13)
def a_namesake_has_the_same_identity(site: Site) -> None:
    """Sign in at a partner's issuer under the name of a customer, where the app keys by `user.identity`."""
    _reads_it(site, "identity")


@attack(13)
def a_namesake_has_the_same_display_name(site: Site) -> None:
    """Sign in at a partner's issuer under the name of a customer, where the framework keys by `display_name`."""
    _reads_it(site, "display_name")


#: tokens that an issuer signs for something else, in the shapes that providers document: header `typ` and claims
FOR_SOMETHING_ELSE: Final[dict[str, tuple[str | None, dict[str, Any]]]] = {
    "an ID token of Cognito": (None, {"token_use": "id"}),
    "an ID token of Keycloak": ("JWT", {"body_typ": "ID"}),
    "an ID token by its header": ("ID", {}),
    "a refresh token by its header": ("refresh", {}),
    "a logout token by its header": ("logout", {}),
    "an ID token with a nonce": ("JWT", {"nonce": "n"}),
    "an ID token with a hash": ("JWT", {"at_hash": "h"}),
    "a refresh token of Keycloak": ("JWT", {"body_typ": "Refresh"}),
    "a logout token": ("JWT", {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
    "an ID-JAG": ("oauth-id-jag+jwt", {"scope": "chat"}),
    "an authorization grant": ("authorization-grant+jwt", {}),
}


@attack(13)
def a_token_for_something_else_is_an_access_token(site: Site) -> None:
    """Send an ID token, a refresh token, a logout token or an ID-JAG where `type: any` takes access tokens."""
    two_issuers(site, CHAT)
    policy = site.folder / "policy.yaml"
    site.policy(policy.read_text("utf-8").replace("keys: {file: keys.json}}", "keys: {file: keys.json}, type: any}"))
    guard = site.guard(_notes("identity"))

    async def scene() -> None:
        for name, (typ, claims) in FOR_SOMETHING_ELSE.items():
            answer = await ask(guard, "POST", "/chat", _signed(site, typ, claims))
            assert answer.status == 401, f"{name} is taken for an access token: {answer.status}"
        for typ, claims in (
            (None, {"token_use": "access"}),
            ("JWT", {"body_typ": "Bearer", "nonce": "n"}),
            ("JWT", {}),
        ):
            answer = await ask(guard, "POST", "/chat", _signed(site, typ, claims))
            assert answer.status == 200, f"an access token is refused: {claims}"

    asyncio.run(scene())


def _signed(site: Site, typ: str | None, claims: dict[str, Any]) -> str:
    """Sign a token whose claims may hold a `typ` of their own."""
    given = {"sub": "alice", "scope": "chat", "acr": "aal2"} | {k: v for k, v in claims.items() if k != "body_typ"}
    body = site.mint.claims(**given) | ({"typ": claims["body_typ"]} if "body_typ" in claims else {})
    return compact(site.mint.header("ES256", typ), body, site.mint.keys["ES256"].sign)
