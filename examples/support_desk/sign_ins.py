"""Scenes about sign-in: none, valid, expired, idle, forged, issuer unreachable, signed out."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Final

from customer import AUDIENCE, SCOPES
from stage import BLANK
from world import IDLE

from authguard.testing import Forgery, Mint, SigningKey, forge
from authguard.testing.keys import segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from customer import Customer
    from stage import Stage

#: seconds after a failed fetch before the guard fetches an issuer's keys again, plus a margin
RETRY: Final = 3.0
#: forgeries by an attacker who knows every claim but not the key -> the reason in the log
ATTACKS: Final = {
    Forgery.OTHER_KEY: "signature-invalid",
    Forgery.EMBEDDED_KEY: "signature-invalid",
    Forgery.UNKNOWN_KID: "key-unknown",
    Forgery.UNSIGNED: "credential-malformed",
}
#: lifetime of a short token in seconds
LIFETIME: Final = 600
NEW: Final = "live normal active unverified none"
KNOWN: Final = "live normal active verified none"


class _Now:
    """The machine's clock, for the mint of forged tokens."""

    @staticmethod
    def now() -> float:
        return time.time()


def keys_out_of_reach(stage: Stage) -> None:
    """If the keys are unreachable, no caller is admitted or turned away for good: 503, and the token stays valid."""
    stage.scene("the issuer's keys cannot be reached")
    provider = stage.world.provider
    provider.outage("down")  # first, since the desk may still be fetching the keys of its start
    provider.rotate_keys()
    noor = stage.customer("noor").signs_in()
    answer = noor.says("Hello?")
    stage.line(
        "an honest token of a new key, while the identity provider is down",
        answer,
        "503 retry try_later keys-unreachable",
        BLANK,
        also={
            "it says when to try again": "retry-after" in answer.headers,
            "it does not call the token invalid": not answer.challenge,
        },
    )
    provider.restore()
    stage.wait(RETRY, "the provider is up again; the guard asks for keys at most every 2 s")
    stage.line("the same token, now that the provider answers", noor.orders(), "200 allow allow", KNOWN)
    provider.outage("down")
    stage.line(
        "another customer signs in, and the provider's keys are known by now",
        stage.customer("otis").signs_in().orders(),
        "200 allow allow",
        KNOWN,
    )
    provider.restore()


def no_sign_in(stage: Stage) -> None:
    """Without a sign-in there is the health check, and a challenge with the metadata's address."""
    stage.scene("no customer has signed in")
    ana = stage.customer("ana")
    stage.line("the health check", ana.asks("GET", "/healthz"), "200 allow allow credential-missing", BLANK)
    answer = ana.says("Where is my order?")
    stage.line(
        "a chat without a token",
        answer,
        "401 challenge sign_in credential-missing",
        BLANK,
        also={
            "there is a challenge": answer.challenge.startswith("Bearer realm="),
            "it names no error (RFC 6750 3.1)": "error" not in answer.challenge,
            "it says what to do next": answer.says("next", "action") == "authenticate",
        },
    )
    stage.line(
        "the handshake of a WebSocket without a token",
        ana.talks("Hello?"),
        "401 challenge sign_in credential-missing",
        BLANK,
    )


def signed_in(stage: Stage) -> None:
    """A password opens the chat; an order requires proof of identity; a missing scope is named."""
    stage.scene("signed in")
    ana = stage.customer("ana").signs_in("aal1")
    stage.line("a chat, signed in with a password", ana.says("Hello"), "200 allow allow", NEW)
    answer = ana.orders()
    stage.line(
        "an order, before anything proved that it is her",
        answer,
        "403 verify prove_identity",
        NEW,
        also={"it names the method": answer.says("next", "methods") == ["default"]},
    )
    ben = stage.customer("ben").signs_in()
    stage.line("an order, signed in with a second factor", ben.orders(), "200 allow allow", KNOWN)
    narrow = stage.customer("cleo").signs_in(scope="chat").orders()
    stage.line(
        "an order, with a token that may only chat",
        narrow,
        "403 deny ask_scope",
        KNOWN,
        also={"it names the scope": 'scope="orders:read"' in narrow.challenge},
    )


def run_out(stage: Stage) -> None:
    """A token that expires during a conversation ends nothing: after a refresh the conversation continues."""
    stage.scene("the token runs out in mid-talk")
    dee = stage.customer("dee").signs_in("aal1", lifetime=LIFETIME)
    first = dee.says("Hello")
    stage.line("the talk begins", first, "200 allow allow", NEW)
    stage.wait(LIFETIME, "the token lives ten minutes")
    answer = dee.says("Are you still there?")
    stage.line(
        "the next message",
        answer,
        "401 challenge sign_in_again token-expired",
        BLANK,
        also={"the challenge names the token as the reason": 'error="invalid_token"' in answer.challenge},
    )
    answer = dee.refreshes().says("And now?")
    stage.line(
        "the same message with a refreshed token",
        answer,
        "200 allow allow",
        NEW,
        also={"the talk goes on where it stopped": answer.says("turn") == first.says("turn") + 1},
    )


def idle(stage: Stage) -> None:
    """An idle customer has to sign in again; a refreshed token proves only that a browser was left open."""
    stage.scene("away for too long")
    eli = stage.customer("eli").signs_in()
    stage.line("an order", eli.orders(), "200 allow allow", KNOWN)
    stage.wait(IDLE + 1, "this demo's sessions are idle after a quarter of an hour")
    answer = eli.refreshes().orders()
    stage.line(
        "the order again, with a refreshed token",
        answer,
        "401 step_up sign_in_fresh",
        "live normal idle verified none",
        also={"the challenge asks for a sign-in of now": "max_age=" in answer.challenge},
    )
    stage.wait(1, "sign-in times have a resolution of one second")
    stage.line("the order again, after a fresh sign-in", eli.signs_in(again=True).orders(), "200 allow allow", KNOWN)


def forged(stage: Stage) -> None:
    """A forged token that names a customer is refused, always alike, and changes nothing of the customer's state."""
    stage.scene("forged tokens that name a customer")
    fay, thief = stage.customer("fay").signs_in(), stage.customer("a thief")
    fays = stage.line("the customer looks an order up", fay.orders(), "200 allow allow", KNOWN)
    subject = stage.world.log.find(fays.trace).subject
    before, seen = stage.world.log.moves(subject), set()
    for attack, reason, token in _forged(stage, thief.signs_in(), fay):
        thief.token = token
        answer = thief.asks("POST", "/.authguard/session/end")
        seen.add((answer.says("detail"), answer.challenge))
        stage.line(
            f"a forged token tries to sign her out ({attack})",
            answer,
            f"401 challenge sign_in {reason}",
            BLANK,
            also={"the log names no subject": not stage.world.log.find(answer.trace).subject},
        )
    stage.act(
        "all of this moved nothing of hers, and no two refusals differ",
        also={
            "her machines stand still": stage.world.log.moves(subject) == before > 0,
            "the refusals are alike": len(seen) == 1,
        },
    )
    stage.line("the customer goes on", fay.orders(), "200 allow allow", KNOWN)


def signed_out(stage: Stage) -> None:
    """After a sign-out no token of that sign-in is accepted."""
    stage.scene("signed out")
    gil = stage.customer("gil").signs_in()
    gone = "live normal revoked unverified none"
    answer = gil.says("Thank you, please sign me out")
    stage.line("he asks the agent to sign him out", answer, "200 allow allow", gone)
    ended = gil.orders()
    stage.line(
        "the old token",
        ended,
        "401 terminate end_session",
        gone,
        also={"the challenge names the token as the reason again": 'error="invalid_token"' in ended.challenge},
    )
    stage.line("the old sign-in, refreshed", gil.refreshes().orders(), "401 terminate end_session", gone)
    stage.line("a new sign-in", gil.signs_in().orders(), "200 allow allow", KNOWN)
    left = gil.asks("POST", "/.authguard/session/end")
    stage.line("he signs out at the guard's own endpoint", left, "200 allow allow", gone)


def _forged(stage: Stage, thief: Customer, victim: Customer) -> Iterator[tuple[str, str, str]]:
    """Yield forged tokens that name a customer, built from public knowledge about the issuer."""
    issuer = stage.world.provider.issuer
    published = stage.world.http.get(f"{issuer}/jwks").json()["keys"]
    key = SigningKey.generate(kid=next(key["kid"] for key in published if key["alg"] == "ES256"))
    mint = Mint(_Now(), issuer, AUDIENCE, {key.alg: key})
    sid = victim.sign_in.sid if victim.sign_in else None
    for attack, reason in ATTACKS.items():
        yield attack, reason, forge(mint, attack, sub=victim.name, sid=sid, client_id="app-1", acr="aal2", scope=SCOPES)
    own = thief.sign_in
    header, payload, signature = (own.access_token if own else "").split(".")
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) | {"sub": victim.name, "sid": sid}
    yield "his own, altered", "signature-invalid", f"{header}.{segment(json.dumps(claims).encode())}.{signature}"
