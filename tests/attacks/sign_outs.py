"""Attacks around a sign-out: a stolen token of the same clock second, and an honest sign-in right after it."""

from __future__ import annotations

import asyncio
import time
from math import floor
from typing import Any

from tests.attacks.harness import Answer, Site, ask, attack
from tests.attacks.harness_ways import POLICY, plain_app


class Door:
    """A guarded app, and a clock that goes on with the machine's while a request takes its time."""

    def __init__(self, site: Site, policy: str = POLICY) -> None:
        site.policy(policy)
        site.clock.set(1_800_000_000.25)
        self.site = site
        self.guard = site.guard(plain_app([]))

    async def ask(self, method: str, path: str, token: str) -> Answer:
        began = time.monotonic()
        answer = await ask(self.guard, method, path, token, body=b"{}")
        self.site.clock.advance(time.monotonic() - began)
        return answer

    def sign_in(self, **claims: Any) -> str:
        """Sign in now; the issuer tells whole seconds."""
        now = floor(self.site.clock.now())
        return self.site.mint.mint(sub="alice", scope="chat pay", acr="aal2", auth_time=now, iat=now, **claims)


def _sign_out(site: Site, path: str, *sids: dict[str, str]) -> None:
    """Sign out, use what was stolen in the second of the sign-out, and sign in again."""
    door = Door(site)
    used, stolen, fresh = sids

    async def attempt() -> None:
        token, unseen = door.sign_in(**used), door.sign_in(**stolen)
        assert (await door.ask("POST", "/chat", token)).status == 200, "an honest customer is not served"
        out = await door.ask("POST", f"/.authguard/{path}", token)
        assert out.status == 200, f"the sign-out got {out.body!r}"
        again = door.sign_in(**fresh)
        for old in (token, unseen):
            assert (await door.ask("POST", "/chat", old)).status == 401, "a token from before the sign-out is taken"
        assert (await door.ask("POST", "/chat", again)).status == 200, "the sign-in after the sign-out is refused"
        for old in (token, unseen):
            assert (await door.ask("POST", "/chat", old)).status == 401, "the sign-in let older tokens in again"
        assert (await door.ask("POST", "/chat", again)).status == 200, "an older token ended the new sign-in"

    asyncio.run(attempt())


@attack(14)
def a_stolen_token_of_the_second_of_a_sign_out_everywhere(site: Site) -> None:
    """Sign out everywhere, use a stolen token of that very second, and sign in again at once."""
    _sign_out(site, "sessions/end", {"sid": "laptop"}, {"sid": "stolen"}, {"sid": "new"})


@attack(14)
def a_stolen_token_of_the_second_of_a_sign_out_without_sid(site: Site) -> None:
    """Sign out where the issuer gives no `sid`, use an older token of that very second, and sign in again at once."""
    _sign_out(site, "session/end", {}, {"jti": "older"}, {"jti": "newer"})


@attack(14)
def an_older_token_ends_the_sign_in_after_a_sign_out_everywhere(site: Site) -> None:
    """Sign out everywhere and in again where the issuer gives no `sid`; then send the older token once more."""
    _sign_out(site, "sessions/end", {}, {"jti": "older"}, {"jti": "newer"})


def _refresh_stolen(site: Site, path: str, **claims: Any) -> None:
    """Sign out, then refresh a stolen token again and again, as a provider does that states no sign-in time."""
    door = Door(site)

    def refreshed() -> str:
        now = floor(site.clock.now())
        return site.mint.mint(sub="alice", scope="chat pay", acr="aal2", iat=now, drop=("auth_time",), **claims)

    async def attempt() -> None:
        old = refreshed()
        assert (await door.ask("POST", "/chat", old)).status == 200, "an honest customer is not served"
        assert (await door.ask("POST", f"/.authguard/{path}", old)).status == 200
        for seconds in (1, 60, 3_600, 86_400, 30 * 86_400):
            site.clock.advance(seconds)
            for _ in range(3):
                answer = await door.ask("POST", "/chat", refreshed())
                assert answer.status in {401, 403}, f"a refreshed token was served {seconds} s after the sign-out"

    asyncio.run(attempt())


@attack(16)
def a_stolen_refresh_token_after_a_sign_out(site: Site) -> None:
    """Refresh a stolen token after a sign-out, where the provider states neither sign-in time nor session."""
    _refresh_stolen(site, "session/end", sid="")


@attack(16)
def a_stolen_refresh_token_after_a_sign_out_everywhere(site: Site) -> None:
    """Refresh a stolen token after a sign-out everywhere, where the provider states neither time nor session."""
    _refresh_stolen(site, "sessions/end", sid="")


@attack(16)
def a_stolen_refresh_token_of_a_known_session(site: Site) -> None:
    """Refresh a stolen token after a sign-out, where the provider states the session that was signed out."""
    _refresh_stolen(site, "session/end", sid="laptop")
