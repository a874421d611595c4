"""Attacks by a name that two people share: a subject is unique within its issuer only (RFC 7519 4.1.2)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

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
