"""Scenes about money: a sign-in that is too old or too weak, once and only once, over the limit, and while degraded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from world import CALM

if TYPE_CHECKING:
    from stage import Stage

#: a sign-in that is older than a refund bears: 6 minutes ago
OLD: Final = -360
KNOWN: Final = "live normal active verified none"
DONE: Final = "live normal active verified done"
HELD: Final = "live normal active verified held"


def step_up(stage: Stage) -> None:
    """A refund wants a strong sign-in of the last five minutes; with one it runs, and runs once."""
    stage.scene("a refund needs a strong and fresh sign-in, and runs once")
    pam = stage.customer("pam").signs_in(auth_time_offset=OLD)
    answer = pam.refund(12.5, "pam-1")
    stage.line(
        "a refund, signed in six minutes ago", answer, status=401, outcome="step_up", rule="step_up", states=KNOWN,
        also={
            "the challenge is RFC 9470's": "insufficient_user_authentication" in answer.headers["www-authenticate"],
            "it asks for a sign-in of the last 300 s": answer.says("next", "max_age") == 300,  # noqa: PLR2004 - 5m
        },
    )  # fmt: skip
    answer = pam.signs_in("aal1", again=True).refund(12.5, "pam-1")
    stage.line(
        "a refund, signed in just now with a password", answer, status=401, outcome="step_up", rule="step_up",
        states=KNOWN, also={"it asks for the second factor": answer.says("next", "acr_values") == "aal2"},
    )  # fmt: skip
    first = pam.signs_in(again=True).refund(12.5, "pam-1")
    stage.line(
        "a refund, signed in just now with a second factor", first, status=200, outcome="allow", rule="allow", states=DONE
    )
    again = pam.refund(12.5, "pam-1")
    stage.line(
        "the same refund again, by its Idempotency-Key", again, status=200, outcome="repeat", rule="say_again",
        states=DONE,
        also={
            "it gets the first answer": again.body == first.body,
            "which says so": again.headers.get("idempotency-replayed") == "true",
        },
    )  # fmt: skip
    stage.line(
        "another amount under the same key", pam.refund(99, "pam-1"), status=422, outcome="refused", rule="", states="",
        reason="transaction-altered",
    )  # fmt: skip
    other = pam.refund(12.5, "pam-2")
    stage.line(
        "another refund, by another key", other, status=200, outcome="allow", rule="allow", states=DONE,
        also={"nothing was paid in between": other.says("refunds_paid") == first.says("refunds_paid") + 1},
    )  # fmt: skip


def limits(stage: Stage) -> None:
    """What is over a limit waits for a supervisor; what cannot be measured is refused."""
    stage.scene("a refund over the limit")
    ray = stage.customer("ray").signs_in()
    answer = ray.refund(600, "ray-1")
    address = answer.headers.get("location", "/nowhere")
    stage.line(
        "600 EUR, where 500 EUR are the limit", answer, status=202, outcome="hold", rule="await_approval", states=HELD,
        also={"it says where to ask, and when": address != "/nowhere" and "retry-after" in answer.headers},
    )  # fmt: skip
    waits = ray.asks("GET", address)
    stage.line(
        "he asks there", waits, status=200, outcome="allow", rule="allow", states=KNOWN,
        also={"it is held": waits.says("state") == "held"},
    )  # fmt: skip
    stage.line(
        "the same refund again, before anybody approved", ray.refund(600, "ray-1"), status=202, outcome="hold",
        rule="await_approval", states=HELD,
    )  # fmt: skip
    foreign = stage.customer("sue").signs_in().asks("GET", address)
    stage.line("somebody else asks there", foreign, status=404, outcome="allow", rule="allow", states=KNOWN)
    stage.line(
        "an amount that is no number", ray.refund("plenty"), status=403, outcome="deny", rule="refuse", states=KNOWN
    )


def degraded(stage: Stage) -> None:
    """While something that the desk depends on is down, money waits for a person and the rest goes on."""
    stage.scene("a dependency is down")
    tim = stage.customer("tim").signs_in()
    stage.line(
        "he asks for a parcel, and the carrier does not answer", tim.says("Where is parcel P-503?"), status=200,
        outcome="allow", rule="allow", states="degraded normal active verified none",
    )  # fmt: skip
    stage.line(
        "a refund", tim.refund(10), status=202, outcome="hold", rule="await_approval",
        states="degraded normal active verified held",
    )  # fmt: skip
    stage.line(
        "an order", tim.orders(), status=200, outcome="allow", rule="allow",
        states="degraded normal active verified none",
    )  # fmt: skip
    stage.wait(CALM + 0.2, "this demo's service counts as repaired after 2 s without a fault")
    stage.line("a refund", tim.refund(10), status=200, outcome="allow", rule="allow", states=DONE)
