"""Scenes about identity: doubt, wrong answers, an outage of the verification service; and about account states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from world import CALM

if TYPE_CHECKING:
    from stage import Stage

RIGHT: Final = "My mother's maiden name is Okafor and my first pet was Rex"
HALF_RIGHT: Final = "My mother's maiden name is Okafor and my first pet was Bello"
WRONG: Final = "My mother's maiden name is Smith and my first pet was Bello"
#: wrong answers that the policy accepts
ATTEMPTS: Final = 3
PERSON: Final = "talk_to_person"
KNOWN: Final = "live normal active verified none"


def passes(stage: Stage) -> None:
    """A correct answer verifies the customer: within the conversation, or at the guard's endpoint."""
    stage.scene("the proof of identity passes")
    tim = stage.customer("tim").signs_in("aal1")
    answer = tim.orders()
    stage.line(
        "an order, signed in with a password",
        answer,
        "403 verify prove_identity",
        "live normal active unverified none",
        also={"the reply asks what the back office asks": "first pet" in answer.says("detail")},
    )
    stage.line("he answers both questions in the talk", tim.says(RIGHT), "200 allow allow", KNOWN)
    stage.line("an order, now", tim.orders(), "200 allow allow", KNOWN)
    ugo = stage.customer("ugo").signs_in("aal1")
    answers = {"quiz": {"maiden_name": "Okafor", "first_pet": "Rex"}}
    answer = ugo.asks("POST", "/.authguard/verify", {"method": "default", "answers": answers})
    stage.line(
        "a customer's client answers at the guard's endpoint",
        answer,
        "200 allow allow",
        KNOWN,
        also={"the next step is to go on": answer.says("next", "action") == "continue"},
    )
    stage.act(
        "nothing that was answered is in the log", also={"nothing is": "okafor" not in stage.world.log.text().lower()}
    )


def doubt(stage: Stage) -> None:
    """A doubtful result is no pass: it remains until another method passes."""
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
    answer = hal.says("Please send me a code")
    stage.line(
        "he has a code sent to his telephone",
        answer,
        "200 allow allow",
        doubted,
        also={"the agent says so": "sent you a code" in answer.says("reply")},
    )
    stage.line("he reads it out", hal.says(f"The code is {stage.world.code('hal')}"), "200 allow allow", KNOWN)
    stage.line("an order, at last", hal.orders(), "200 allow allow", KNOWN)


def failure(stage: Stage) -> None:
    """Wrong answers are counted per person, not per session; then a person takes over."""
    stage.scene("the proof of identity fails, and attempts run out")
    ida, failed = stage.customer("ida").signs_in("aal1"), "live normal active failed none"
    spent = "live normal active exhausted none"
    for attempt in range(1, ATTEMPTS):
        stage.line(f"wrong answers ({attempt})", ida.says(WRONG), "200 allow allow", failed)
        stage.line("an order", ida.orders(), "403 verify prove_identity", failed)
    stage.line(f"wrong answers ({ATTEMPTS}), the last attempt", ida.says(WRONG), "200 allow allow", spent)
    answer = ida.orders()
    stage.line(
        "an order, after the last attempt",
        answer,
        "403 handoff to_a_person",
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
    """A service without an answer is neither a pass nor a failure: nothing sensitive is shown, the chat continues."""
    stage.scene("the verification service is down")
    jon, unproven = stage.customer("jon").signs_in("aal1"), "live normal active unavailable none"
    stage.line("a talk, while all is well", jon.says("Hello"), "200 allow allow", "live normal active unverified none")
    proved = stage.customer("kim").signs_in()
    stage.line("a customer with a proven identity, and an order", proved.orders(), "200 allow allow", KNOWN)
    stage.world.records.stop()
    stage.line("the back office is down, and he answers its questions", jon.says(RIGHT), "200 allow allow", unproven)
    answer = jon.orders()
    stage.line(
        "an order",
        answer,
        "503 retry try_later",
        unproven,
        also={"it says when to try again": "retry-after" in answer.headers},
    )
    stage.line("the chat continues", jon.says("A pity"), "200 allow allow", unproven)
    stage.line("the outage takes back nothing of what was proved", proved.orders(), "200 allow allow", KNOWN)
    stage.world.records.start()
    stage.wait(CALM + 1, "in this demo a service that gave no answer is asked again after two minutes")
    stage.line(
        "it is back, and the same answers count: no attempt was spent", jon.says(RIGHT), "200 allow allow", KNOWN
    )
    stage.line("an order, at last", jon.orders(), "200 allow allow", KNOWN)


def accounts(stage: Stage) -> None:
    """Each account state: the customer is shown the next step, and the log has the reason."""
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
        also={"the reply does not disclose the lock": "lock" not in str(refused.body)},
    )
    known = stage.customer("rob").signs_in().says("Hello")
    stage.line(
        "the token says that all is well, and the account directory that it is locked: the chat",
        known,
        "200 restrict read_only",
        locked,
    )
    stage.line(
        "a status of the directory that the policy does not know: an order",
        stage.customer("sue").signs_in().orders(),
        "403 handoff to_a_person",
        "live unrecognised active verified none",
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
    stage.line("a customer reports that their account was hacked", ola.says("I was hacked!"), "200 allow allow", stolen)
    taken = ola.signs_in().orders()
    stage.line("an order, after a new sign-in with a normal account claim", taken, "403 handoff to_fraud", stolen)
