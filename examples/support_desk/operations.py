"""Scenes about operations and channels: streams, unnamed routes, malformed requests, and the operator's rollback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from proofs import HALF_RIGHT
from world import CALM

if TYPE_CHECKING:
    from customer import Answer
    from stage import Stage

KNOWN: Final = "live normal active verified none"
#: exit code of a command that lacks authority
UNAUTHORISED: Final = 5


def streams(stage: Stage) -> None:
    """The same guard protects every channel: server-sent events and WebSockets too."""
    stage.scene("streams")
    una = stage.customer("una").signs_in()
    answer = una.streams("Hello")
    events = answer.says("events")
    stage.line(
        "a chat as server-sent events",
        answer,
        "200 allow allow",
        KNOWN,
        also={"they come word by word": events[-1] == "done" and events.count("word") > 1},
    )
    messages = ("Hello", "How are you?")
    answer = una.talks(*messages)
    stage.line(
        "a talk over a WebSocket",
        answer,
        "101 allow allow",
        KNOWN,
        also={"every message is answered": len(answer.says("said")) == len(messages)},
    )
    una = stage.customer("una").signs_in("aal1")
    answer = una.talks(HALF_RIGHT)
    doubted = "live normal active ambiguous none"
    stage.line(
        "in a session of a weaker sign-in: one right answer of two, over a WebSocket",
        answer,
        "101 allow allow",
        doubted,
    )
    stage.line(
        "the doubt counts for what she asks next, elsewhere", una.orders(), "403 verify prove_otherwise", doubted
    )


def unnamed(stage: Stage) -> None:
    """A route without an operation in the policy is refused for every caller."""
    stage.scene("a route without an operation in the policy")
    vic = stage.customer("vic")
    words = "a route that the policy does not name"
    _refused(stage, f"{words}, without a token", vic.asks("GET", "/export"), 404, "operation-unnamed")
    signed_in = vic.signs_in().asks("GET", "/export")
    _refused(stage, "the same, signed in with a second factor", signed_in, 404, "operation-unnamed")


def for_somebody_else(stage: Stage) -> None:
    """A registered agent may act for a customer within limits; an unregistered one may do nothing."""
    stage.scene("an agent acts for the customer")
    zoe = stage.customer("zoe").signs_in(act={"sub": "concierge"})
    stage.line("the registered concierge looks an order up", zoe.orders(), "200 allow allow", KNOWN)
    held = "live normal active verified held"
    stage.line("the concierge wants a refund", zoe.refund(10), "202 hold await_approval", held)
    stage.line(
        "the concierge wants to sign her out", zoe.asks("POST", "/.authguard/session/end"), "403 deny refuse", KNOWN
    )
    stranger = stage.customer("zoe").signs_in(act={"sub": "a-bot-from-somewhere"})
    stage.line("an agent that is not registered", stranger.orders(), "403 deny refuse", KNOWN)


def nonsense(stage: Stage) -> None:
    """A malformed request is refused before anything processes it, and recorded."""
    stage.scene("nonsense")
    wes = stage.customer("wes").signs_in()
    twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")]
    trace, _ = wes.headers()
    answer = stage.world.http.get("/orders/1001", headers=[*twice, ("traceparent", f"00-{trace}-{trace[:16]}-01")])
    _refused(stage, "two credentials at once", wes.received(answer, trace), 400, "credential-ambiguous")
    large = wes.asks("POST", "/orders/1001/refund", {"amount": 1, "currency": "EUR", "note": "x" * 1_100_000})
    _refused(stage, "a refund of a megabyte", large, 413, "body-too-large")
    unknown = wes.asks("POST", "/orders/1001/refund", {"amount": 1}, {"authguard-transaction": "0" * 32})
    _refused(stage, "a transaction that never was", unknown, 404, "transaction-unknown")
    wes.token = "x" * 20_000
    stage.line(
        "a token of 20 kB", wes.orders(), "401 challenge sign_in token-too-large", "live unknown absent unverified none"
    )


def rolled_back(stage: Stage) -> None:
    """An operator rolls the agent back: every customer is handed to a person; a release needs a proof of readiness."""
    stage.scene("rolled back by an operator, and released")
    code, output = stage.world.command("rollback", "engage", "--by", "Ines", "--reason", "refunds look odd")
    stage.act(
        "`authguard rollback engage`",
        also={f"exit code 0 and `rolled_back`: {output}": code == 0 and "rolled_back" in output},
    )
    back, recovering = "rolled_back normal active verified none", "recovering normal active verified none"
    xia = stage.customer("xia").signs_in()
    answer = xia.says("Hello")
    stage.line(
        "a chat",
        answer,
        "403 handoff to_a_person",
        back,
        also={
            "there is a ticket": bool(answer.says("next", "ticket")),
            "in the queue of the desk": answer.says("next", "queue") == "service",
        },
    )
    stage.line("a refund", xia.refund(10), "403 handoff to_a_person", back)
    stage.line(
        "the health check",
        xia.asks("GET", "/healthz"),
        "200 allow allow credential-missing",
        "rolled_back unknown absent unverified none",
    )
    code, output = stage.world.command("rollback", "release", "--by", "Ines", "--reason", "it was a test")
    stage.act(
        "`authguard rollback release` by one person, where the policy wants two",
        also={f"exit code 5: {output}": code == UNAUTHORISED},
    )
    persons = ("--by", "Ines", "--by", "Omar")
    code, output = stage.world.command("rollback", "release", *persons, "--reason", "it was a test")
    stage.act(
        "`authguard rollback release` by two",
        also={f"exit code 0 and `recovering`: {output}": code == 0 and "recovering" in output},
    )
    yun = stage.customer("yun").signs_in()
    stage.line("a chat, just after", yun.says("Hello"), "200 allow allow", recovering)
    stage.line(
        "a refund, just after, waits for a person",
        yun.refund(10),
        "202 hold await_approval",
        "recovering normal active verified held",
    )
    stage.wait(CALM + 1, "this demo's service counts as recovered after two minutes")
    stage.line("a refund, later", yun.refund(10), "200 allow allow", "live normal active verified done")


def people(stage: Stage) -> None:
    """Customers who were handed over are in the desk's queue, each once."""
    stage.scene("the people's desk")
    code, output = stage.world.command("handoff", "list", "--json")
    tickets = json.loads(output) if code == 0 else []
    queues = sorted(ticket["ticket"]["queue"] for ticket in tickets)
    stage.act(
        f"`authguard handoff list`: {len(tickets)} tickets wait",
        also={
            f"one for each customer who was handed over: {queues}": queues == ["bereavement", "fraud", *["service"] * 5]
        },
    )
    if tickets:
        code, output = stage.world.command("handoff", "take", tickets[0]["ticket"]["id"], "--by", "Ines")
        stage.act("`authguard handoff take`", also={f"exit code 0: {output}": code == 0})


def _refused(stage: Stage, what: str, answer: Answer, status: int, reason: str) -> None:
    """Compare the refusal of a malformed request."""
    stage.line(what, answer, f"{status} refused - {reason}", "")
