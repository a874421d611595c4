"""Behaviours of a verification service in words, and how a customer meets each.

Rule: a behaviour says what the service does and what the customer sends; what the guard makes of it is not here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.ports import Question
    from tests.verification.client import Visit

#: seconds after which an answer that never came is waited for no more
LEASE: Final = 121.0

_PLAIN: Final = "pass_at: 0.9, fail_at: 0.4, timeout: 20s"
_OTP: Final = f"{{type: http, url: URL/otp, {_PLAIN}}}"
_VOICE: Final = f"  voice: {{type: http, url: URL/voice, {_PLAIN}}}\n"
#: how a deployment may be set up: name -> its verifier `otp`, more verifiers, and its method `default`
SHAPES: Final[Mapping[str, tuple[str, str, str]]] = {
    "one service": (_OTP, "", "all: [otp]"),
    "either of two": (_OTP, _VOICE, "any: [otp, voice]"),
    "both of two": (_OTP, _VOICE, "all: [otp, voice]"),
    "not listening": (_OTP.replace("URL", "http://127.0.0.1:9"), "", "all: [otp]"),
    "no patience": (_OTP.replace("20s", "100ms"), "", "all: [otp]"),
    "asked again": (_OTP.replace("20s", "20s, retries: 1"), "", "all: [otp]"),
    "a hedge": (_OTP.replace("20s", "20s, hedge: {url: URL/second, after: 50ms}"), "", "all: [otp]"),
    "a breaker": (_OTP.replace("20s", "20s, breaker: {failures: 2, open_for: 30s}"), "", "all: [otp]"),
    "one at once": (_OTP.replace("20s", "20s, max_concurrency: 1"), "", "all: [otp]"),
    "words": (
        _OTP.replace("20s", "20s, response: {verdict: /status, map: {ok: passed, 'no': failed}}"),
        "",
        "all: [otp]",
    ),
    "a function that raises": ("{type: python, call: 'tests.verification.behaviours:raising'}", "", "all: [otp]"),
    "a function of nonsense": ("{type: python, call: 'tests.verification.behaviours:talking'}", "", "all: [otp]"),
    "waiting": (_OTP, "", "all: [otp], backoff: 30s"),
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing that can happen.

    Attributes:
        words: of a table's row.
        script: verifier's path -> what the service does, word by word (`tests.verification.scripted_server.SAID`).
        shape: one of `SHAPES`.
        acts: what the customer does, in order: a method to answer.
        play: instead of `acts`, where order matters more.
    """

    words: str
    script: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shape: str = "one service"
    acts: tuple[str, ...] = ("default",)
    play: Callable[[Visit], Awaitable[None]] | None = None


def raising(question: Question) -> float:
    """Be a function of the app that breaks."""
    raise ZeroDivisionError(question)


def talking(question: Question) -> str:
    """Be a function of the app that answers in no way that was agreed."""
    return f"yes, this is {question.subject}"


async def superseded(visit: Visit) -> None:
    """Answer once, get nothing for two minutes, answer again; then the first answer comes in, and is a pass."""
    first = asyncio.create_task(visit.answer())
    await visit.remote.until_asked(visit.asked_before + 1)
    visit.clock.advance(LEASE)
    await visit.answer()
    visit.remote.let_go()
    await first


async def in_parallel(visit: Visit) -> None:
    """Send the same answer again while the first is with the service."""
    first = asyncio.create_task(visit.answer())
    await visit.remote.until_asked(visit.asked_before + 1)
    await visit.answer()
    visit.remote.let_go()
    await first


async def behind_another(visit: Visit) -> None:
    """Answer while somebody else's answer takes all that the service may be asked at once."""
    other = asyncio.create_task(visit.other("hang").answer())
    await visit.remote.until_asked(visit.asked_before + 1)
    await visit.answer()
    visit.remote.let_go()
    await other


async def out_of_reach_once_proved(visit: Visit) -> None:
    """Prove it; on another day in the same session's life the service is down, and nobody asks for it again."""
    await visit.answer()
    await visit.report("verification.unavailable")


async def after_others_broke_it(visit: Visit) -> None:
    """Answer after others have met a service that does not answer."""
    for _ in range(2):
        await visit.other("reset").answer()
    await visit.answer()


async def in_two_sessions(visit: Visit) -> None:
    """Be doubted in another session; then answer in this one, where the service would pass."""
    await visit.elsewhere().answer()
    await visit.answer()


BEHAVIOURS: Final = (
    Behaviour("it passes"),
    Behaviour("it passes, and the same answer is sent again afterwards", acts=("default", "default")),
    Behaviour("it passes, and the same answer is sent again concurrently", {"otp": ("hang",)}, play=in_parallel),
    Behaviour("it fails", {"otp": ("fail",)}),
    Behaviour("it fails, then passes", {"otp": ("fail",)}, acts=("default", "default")),
    Behaviour("it fails until attempts are used up", {"otp": ("fail",) * 3}, acts=("default",) * 3),
    Behaviour("it fails until attempts are used up, and then once more", {"otp": ("fail",) * 3}, acts=("default",) * 4),
    Behaviour(
        "it fails, and the next answer comes before the policy's pause is over",
        {"otp": ("fail",)},
        "waiting",
        ("default", "default"),
    ),
    Behaviour("it doubts", {"otp": ("doubt",)}),
    Behaviour("it doubts, and the same way is tried again", {"otp": ("doubt",)}, acts=("default", "default")),
    Behaviour(
        "it doubts in another session, and the same way is tried here", {"otp": ("doubt",)}, play=in_two_sessions
    ),
    Behaviour("it doubts, and the other way passes", {"otp": ("doubt",)}, acts=("default", "alternate")),
    Behaviour(
        "it doubts, and the other way fails", {"otp": ("doubt",), "document": ("fail",)}, acts=("default", "alternate")
    ),
    Behaviour(
        "it doubts, and the other way doubts too",
        {"otp": ("doubt",), "document": ("doubt",)},
        acts=("default", "alternate"),
    ),
    Behaviour(
        "it doubts, and the other way is unreachable",
        {"otp": ("doubt",), "document": ("reset",)},
        acts=("default", "alternate"),
    ),
    Behaviour(
        "of two services, either of which would do, one passes and one fails", {"voice": ("fail",)}, "either of two"
    ),
    Behaviour(
        "of two services, either of which would do, one passes and one is unreachable",
        {"voice": ("reset",)},
        "either of two",
    ),
    Behaviour("of two services, both of which have to, one passes and one fails", {"voice": ("fail",)}, "both of two"),
    Behaviour(
        "of two services, both of which have to, one passes and one doubts", {"voice": ("doubt",)}, "both of two"
    ),
    Behaviour(
        "of two services, both of which have to, one passes and one is unreachable",
        {"voice": ("reset",)},
        "both of two",
    ),
    Behaviour("it does not answer in time", {"otp": ("hang",)}, "no patience"),
    Behaviour("its port is closed", {}, "not listening"),
    Behaviour("it resets the connection", {"otp": ("reset",)}),
    Behaviour("it sends half an answer", {"otp": ("half",)}),
    Behaviour("it answers in no HTTP", {"otp": ("no http",)}),
    Behaviour("it answers with a web page", {"otp": ("page",)}),
    Behaviour("its score is text", {"otp": ("text",)}),
    Behaviour("its score is `true`", {"otp": ("true",)}),
    Behaviour("its score is missing", {"otp": ("other",)}),
    Behaviour("its score is not a number", {"otp": ("nan",)}),
    Behaviour("its score is 97", {"otp": ("outside",)}),
    Behaviour("its score stands there twice", {"otp": ("twice",)}),
    Behaviour("its answer nests 50 deep", {"otp": ("deep",)}),
    Behaviour("its answer is larger than 64 KiB", {"otp": ("large",)}),
    Behaviour("its answer is a word that the policy does not know", {"otp": ("new word",)}, "words"),
    Behaviour("its answer is of the wrong type where a word belongs", {"otp": ("text",)}, "words"),
    Behaviour("it answers 500", {"otp": ("500",)}),
    Behaviour("it answers 401: it does not take our own credential", {"otp": ("401",)}),
    Behaviour("it sends us elsewhere", {"otp": ("redirect",)}),
    Behaviour("a function of the app raises", {}, "a function that raises"),
    Behaviour("a function of the app returns an invalid value", {}, "a function of nonsense"),
    Behaviour(
        "its answer comes after another attempt was begun, and is a pass", {"otp": ("hang", "fail")}, play=superseded
    ),
    Behaviour("it is down, and passes on an immediate retry", {"otp": ("500",)}, "asked again"),
    Behaviour("it is down, and down again on an immediate retry", {"otp": ("500", "500")}, "asked again"),
    Behaviour("it is down, and the second service passes", {"otp": ("reset",)}, "a hedge"),
    Behaviour("it hangs, and the second service passes", {"otp": ("hang",)}, "a hedge"),
    Behaviour("it is down, and the second service fails", {"otp": ("reset",), "second": ("fail",)}, "a hedge"),
    Behaviour("it is down, and so is the second service", {"otp": ("reset",), "second": ("500",)}, "a hedge"),
    Behaviour("the breaker is open: it was down for others just before", {}, "a breaker", play=after_others_broke_it),
    Behaviour("its concurrency limit is reached", {}, "one at once", play=behind_another),
    Behaviour("it is unreachable when identity was proved already", {}, play=out_of_reach_once_proved),
)
