"""Scenes about who somebody is: doubt, wrong answers, a verification service that is down; and what their account is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from stage import Stage

RIGHT: Final = "My mother's maiden name is Okafor and my first pet was Rex"
HALF_RIGHT: Final = "My mother's maiden name is Okafor and my first pet was Bello"
WRONG: Final = "My mother's maiden name is Smith and my first pet was Bello"
#: how many verdicts that were no pass the policy takes
ATTEMPTS: Final = 3
PERSON: Final = "to_a_person"


def doubt(stage: Stage) -> None:
    """A maybe is no yes: it stays one until another method lifts it, whatever else is tried."""
    stage.scene("the proof of identity is ambiguous")
    hal, doubted = stage.customer("hal").signs_in("aal1"), "live normal active ambiguous none"
    stage.line(
        "he answers two questions, one of them right", hal.says(HALF_RIGHT), status=200, outcome="allow", rule="allow",
        states=doubted,
    )  # fmt: skip
    answer = hal.orders()
    stage.line(
        "an order, now", answer, status=403, outcome="verify", rule="prove_otherwise", states=doubted,
        also={"another method is asked for": answer.says("next", "methods") == ["alternate"]},
    )  # fmt: skip
    stage.line(
        "he answers again, now both are right", hal.says(RIGHT), status=200, outcome="allow", rule="allow", states=doubted
    )
    stage.line(
        "an order, after a stronger sign-in in the same session", hal.signs_in(again=True).orders(), status=403,
        outcome="verify", rule="prove_otherwise", states=doubted,
    )  # fmt: skip


def failure(stage: Stage) -> None:
    """Wrong answers are counted for the person, not for the session; then a person takes over."""
    stage.scene("the proof of identity fails, and attempts run out")
    ida, failed = stage.customer("ida").signs_in("aal1"), "live normal active failed none"
    spent = "live normal active exhausted none"
    for attempt in range(1, ATTEMPTS + 1):
        stage.line(
            f"wrong answers ({attempt})", ida.says(WRONG), status=200, outcome="allow", rule="allow", states=failed
        )
        if attempt < ATTEMPTS:
            stage.line("an order", ida.orders(), status=403, outcome="verify", rule="prove_identity", states=failed)
    answer = ida.orders()
    stage.line(
        "an order, after the last attempt", answer, status=403, outcome="handoff", rule="prove_identity", fallback=PERSON,
        reason="attempts-spent", states=spent,
        also={"there is a ticket, and a next step": bool(answer.says("next", "ticket")) and _person(answer.body)},
    )  # fmt: skip
    stage.line(
        "the chat, from now on", ida.says("Hello?"), status=403, outcome="handoff", rule=PERSON, states=spent
    )
    stage.line(
        "an order, in a session of its own: the attempts are the person's",
        ida.signs_in("aal1").orders(), status=403, outcome="handoff", rule="prove_identity", fallback=PERSON,
        reason="attempts-spent", states=spent,
    )  # fmt: skip


def service_down(stage: Stage) -> None:
    """A service that gives no answer is neither yes nor no: nothing sensitive is shown, and the talk goes on."""
    stage.scene("the verification service is down")
    jon, nobody = stage.customer("jon").signs_in("aal1"), "live normal active unavailable none"
    stage.line(
        "he wants to be known by his voice", jon.says("You know my voice"), status=200, outcome="allow", rule="allow",
        states=nobody,
    )  # fmt: skip
    answer = jon.orders()
    stage.line(
        "an order", answer, status=503, outcome="retry", rule="try_later", states=nobody,
        also={"it says when to try again": "retry-after" in answer.headers},
    )  # fmt: skip
    stage.line("the chat goes on", jon.says("A pity"), status=200, outcome="allow", rule="allow", states=nobody)
    proved = stage.customer("kim").signs_in()
    for _ in range(2):
        stage.line(
            "an outage takes nothing back from somebody who was proved", proved.says("You know my voice"), status=200,
            outcome="allow", rule="allow", states="live normal active verified none",
        )  # fmt: skip


def accounts(stage: Stage) -> None:
    """Accounts in every kind of trouble: the customer learns the next step, and the log learns why."""
    stage.scene("accounts that are not in order")
    lou = stage.customer("lou").signs_in(account_status="locked")
    locked = "live locked active verified none"
    answer = lou.says("Hello")
    stage.line(
        "a locked account: the chat", answer, status=200, outcome="restrict", rule="read_only", states=locked,
        also={
            "the reply says that it is restricted": answer.headers.get("authguard-outcome") == "restrict",
            "the agent knows": "reading only" in answer.says("reply"),
        },
    )  # fmt: skip
    refused = lou.orders()
    stage.line(
        "a locked account: an order", refused, status=403, outcome="handoff", rule=PERSON, states=locked,
        also={"nobody is told that it is locked": "lock" not in str(refused.body)},
    )  # fmt: skip
    strange = stage.customer("max").signs_in(account_status="zombie").orders()
    stage.line(
        "a status that the policy does not know: an order", strange, status=403, outcome="handoff", rule=PERSON,
        states="live unrecognised active verified none",
    )  # fmt: skip
    estate = stage.customer("nan").signs_in(account_status="estate").says("Hello")
    stage.line(
        "a customer who died: the chat", estate, status=403, outcome="handoff", rule="to_bereavement",
        states="live deceased active verified none",
        also={
            "the right desk takes over": estate.says("next", "queue") == "bereavement",
            "the words are those of any hand-off": estate.says("detail") == refused.says("detail"),
        },
    )  # fmt: skip
    ola, stolen = stage.customer("ola").signs_in(), "live compromised active verified none"
    stage.line(
        "somebody says that their account was hacked", ola.says("I was hacked!"), status=200, outcome="allow",
        rule="allow", states=stolen,
    )  # fmt: skip
    taken = ola.signs_in().orders()
    stage.line(
        "an order, after a new sign-in whose claims say that all is well", taken, status=403, outcome="handoff",
        rule="to_fraud", states=stolen,
    )  # fmt: skip


def _person(body: object) -> bool:
    return isinstance(body, dict) and body["next"]["action"] == "talk_to_person"
