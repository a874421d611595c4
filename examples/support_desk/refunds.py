"""Scenes about money: an old or weak sign-in, execution exactly once, limits, and a degraded service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import httpx2
from world import CALM

if TYPE_CHECKING:
    from stage import Stage

#: age of a sign-in that is too old for a refund: 6 minutes
OLD: Final = -360
KNOWN: Final = "live normal active verified none"
DONE: Final = "live normal active verified done"
HELD: Final = "live normal active verified held"
#: number of simultaneous requests for the same refund
SIMULTANEOUS: Final = 6


def step_up(stage: Stage) -> None:
    """A refund requires a strong sign-in of the last five minutes; with one it runs, and runs once."""
    stage.scene("a refund needs a strong and fresh sign-in, and runs once")
    pam = stage.customer("pam").signs_in(auth_time_offset=OLD)
    answer = pam.refund(12.5, "pam-1")
    stage.line(
        "a refund, signed in six minutes ago",
        answer,
        "401 step_up step_up",
        KNOWN,
        also={
            "the challenge is RFC 9470's": "insufficient_user_authentication" in answer.challenge,
            "it asks for a sign-in of the last 300 s": answer.says("next", "max_age") == 300,  # noqa: PLR2004 - 5m
        },
    )
    answer = pam.signs_in("aal1", again=True).refund(12.5, "pam-1")
    stage.line(
        "a refund, signed in just now with a password",
        answer,
        "401 step_up step_up",
        KNOWN,
        also={"it asks for the second factor": answer.says("next", "acr_values") == "aal2"},
    )
    first = pam.signs_in(again=True).refund(12.5, "pam-1")
    stage.line("a refund, signed in just now with a second factor", first, "200 allow allow", DONE)
    again = pam.refund(12.5, "pam-1")
    stage.line(
        "the same refund again, by its Idempotency-Key",
        again,
        "200 repeat say_again",
        DONE,
        also={
            "it gets the first answer": again.body == first.body,
            "which says so": again.headers.get("idempotency-replayed") == "true",
        },
    )
    stage.line("another amount under the same key", pam.refund(99, "pam-1"), "422 refused - transaction-altered", "")
    other = pam.refund(12.5, "pam-2")
    stage.line(
        "another refund, by another key",
        other,
        "200 allow allow",
        DONE,
        also={"nothing was paid in between": other.says("refunds_paid") == first.says("refunds_paid") + 1},
    )


def simultaneous(stage: Stage) -> None:
    """Simultaneous requests for the same refund pay it once."""
    stage.scene("the same refund, many times at once")
    quin = stage.customer("quin").signs_in()
    with ThreadPoolExecutor(SIMULTANEOUS) as pool:
        answers = list(pool.map(lambda _: quin.refund(20, "quin-1"), range(SIMULTANEOUS)))
    found = [stage.world.log.find(answer.trace).outcome for answer in answers]
    stage.act(
        f"{SIMULTANEOUS} times at the same moment: {', '.join(sorted(found))}",
        also={
            "one ran": found.count("allow") == 1,
            "the others have to wait, or get its response": set(found) <= {"allow", "repeat", "retry"},
            "they agree": len({str(answer.body) for answer in answers if answer.status == httpx2.codes.OK}) == 1,
        },
    )


def limits(stage: Stage) -> None:
    """A refund over a limit waits for a supervisor; one that cannot be measured is refused."""
    stage.scene("a refund over the limit")
    ray = stage.customer("ray").signs_in()
    answer = ray.refund(600, "ray-1")
    address = answer.headers.get("location", "/nowhere")
    stage.line(
        "600 EUR, where 500 EUR are the limit",
        answer,
        "202 hold await_approval",
        HELD,
        also={"it says where to ask, and when": address != "/nowhere" and "retry-after" in answer.headers},
    )
    waits = ray.asks("GET", address)
    stage.line("he asks there", waits, "200 allow allow", KNOWN, also={"it is held": waits.says("state") == "held"})
    stage.line("the same refund again, before anybody approved", ray.refund(600, "ray-1"), "202 hold waiting", HELD)
    foreign = stage.customer("sue").signs_in().asks("GET", address)
    stage.line("another customer asks there", foreign, "404 refused - transaction-unknown", "")
    stage.line("an amount that is no number", ray.refund("plenty"), "403 deny refuse amount-malformed", KNOWN)


def degraded(stage: Stage) -> None:
    """While a dependency is down, refunds wait for a person and other requests continue."""
    stage.scene("a dependency is down")
    tim = stage.customer("tim").signs_in()
    for name in ("tom", "tam", "tim"):
        customer = tim if name == "tim" else stage.customer(name).signs_in()
        stage.line(
            f"{name} asks for a parcel, and the carrier does not answer",
            customer.says("Where is parcel P-503?"),
            "200 allow allow",
            "live normal active verified none",
        )
    stage.line("a refund", tim.refund(10), "202 hold await_approval", "degraded normal active verified held")
    stage.line("an order", tim.orders(), "200 allow allow", "degraded normal active verified none")
    stage.wait(CALM + 1, "this demo's service counts as repaired after two minutes without a fault")
    stage.line("a refund", tim.refund(10), "200 allow allow", DONE)
