"""Scenes about who somebody is: doubt, wrong answers, a verification service that is down; and about their account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from stage import Stage

RIGHT: Final = "My mother's maiden name is Okafor and my first pet was Rex"
HALF_RIGHT: Final = "My mother's maiden name is Okafor and my first pet was Bello"
WRONG: Final = "My mother's maiden name is Smith and my first pet was Bello"
#: how many verdicts that were no pass the policy takes
ATTEMPTS: Final = 3
PERSON: Final = "talk_to_person"
KNOWN: Final = "live normal active verified none"


def doubt(stage: Stage) -> None:
    """A maybe is no yes: it stays one until another method lifts it, whatever else is tried."""
    stage.scene("the proof of identity is ambiguous")
    hal, doubted = stage.customer("hal").signs_in("aal1"), "live normal active ambiguous none"
    stage.line("he answers two questions, one of them right", hal.says(HALF_RIGHT), "200 allow allow", doubted)
    answer = hal.orders()
    stage.line(
        "an order, now",
        answer,
        "403 verify prove_otherwise",
        doubted,
        also={"another method is asked for": answer.says("next", "methods") == ["alternate"]},
    )
    stage.line("he answers again, now both are right", hal.says(RIGHT), "200 allow allow", doubted)
    stage.line(
        "an order, after a stronger sign-in in the same session",
        hal.signs_in(again=True).orders(),
        "403 verify prove_otherwise",
        doubted,
    )


def failure(stage: Stage) -> None:
    """Wrong answers are counted for the person, not for the session; then a person takes over."""
    stage.scene("the proof of identity fails, and attempts run out")
    ida, failed = stage.customer("ida").signs_in("aal1"), "live normal active failed none"
    spent = "live normal active exhausted none"
    for attempt in range(1, ATTEMPTS + 1):
        stage.line(f"wrong answers ({attempt})", ida.says(WRONG), "200 allow allow", failed)
        if attempt < ATTEMPTS:
            stage.line("an order", ida.orders(), "403 verify prove_identity", failed)
    answer = ida.orders()
    stage.line(
        "an order, after the last attempt",
        answer,
        "403 handoff prove_identity>to_a_person attempts-spent",
        spent,
        also={
            "a person is next, with a ticket": answer.says("next", "action") == PERSON
            and bool(answer.says("next", "ticket"))
        },
    )
    stage.line("the chat, from now on", ida.says("Hello?"), "403 handoff to_a_person", spent)
    stage.line(
        "an order, in a session of its own: the attempts are the person's",
        ida.signs_in("aal1").orders(),
        "403 handoff prove_identity>to_a_person attempts-spent",
        spent,
    )


def service_down(stage: Stage) -> None:
    """A service that gives no answer is neither yes nor no: nothing sensitive is shown, and the talk goes on."""
    stage.scene("the verification service is down")
    jon, nobody = stage.customer("jon").signs_in("aal1"), "live normal active unavailable none"
    stage.line("he wants to be known by his voice", jon.says("You know my voice"), "200 allow allow", nobody)
    answer = jon.orders()
    stage.line(
        "an order",
        answer,
        "503 retry try_later",
        nobody,
        also={"it says when to try again": "retry-after" in answer.headers},
    )
    stage.line("the chat goes on", jon.says("A pity"), "200 allow allow", nobody)
    proved = stage.customer("kim").signs_in()
    stage.line(
        "somebody whose identity was proved says so too", proved.says("You know my voice"), "200 allow allow", KNOWN
    )
    stage.line("the outage takes back nothing of that", proved.orders(), "200 allow allow", KNOWN)


def accounts(stage: Stage) -> None:
    """Accounts in every kind of trouble: the customer learns the next step, and the log learns why."""
    stage.scene("accounts that are not in order")
    lou = stage.customer("lou").signs_in(account_status="locked")
    locked = "live locked active verified none"
    answer = lou.says("Hello")
    stage.line(
        "a locked account: the chat",
        answer,
        "200 restrict read_only",
        locked,
        also={
            "the reply says that it is restricted": answer.headers.get("authguard-outcome") == "restrict",
            "the agent knows": "reading only" in answer.says("reply"),
        },
    )
    refused = lou.orders()
    stage.line(
        "a locked account: an order",
        refused,
        "403 handoff to_a_person",
        locked,
        also={"nobody is told that it is locked": "lock" not in str(refused.body)},
    )
    strange = stage.customer("max").signs_in(account_status="zombie").orders()
    stage.line(
        "a status that the policy does not know: an order",
        strange,
        "403 handoff to_a_person",
        "live unrecognised active verified none",
    )
    estate = stage.customer("nan").signs_in(account_status="estate").says("Hello")
    stage.line(
        "a customer who died: the chat",
        estate,
        "403 handoff to_bereavement",
        "live deceased active verified none",
        also={
            "the right desk takes over": estate.says("next", "queue") == "bereavement",
            "the words are those of any hand-off": estate.says("detail") == refused.says("detail"),
        },
    )
    ola, stolen = stage.customer("ola").signs_in(), "live compromised active verified none"
    stage.line("somebody says that their account was hacked", ola.says("I was hacked!"), "200 allow allow", stolen)
    taken = ola.signs_in().orders()
    stage.line("an order, after a new sign-in whose claims say that all is well", taken, "403 handoff to_fraud", stolen)
