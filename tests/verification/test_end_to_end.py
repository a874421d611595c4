"""Each built-in verifier through the whole guard: a policy file, a real server, a real client."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.verification.functions import PET, SECRET
from tests.verification.server import House, serving, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

CALL = "call: 'tests.verification.functions"
VERIFIERS = {
    "totp": f"{{type: totp, {CALL}:secret'}}",
    "kba": f"{{type: kba, {CALL}:records', questions: [pet]}}",
    "code": f"{{type: code, {CALL}:send', expires: 1m}}",
    "python": f"{{type: python, {CALL}:judge'}}",
    "http": "{type: http, url: 'URL', timeout: 5s, pass_at: 0.9, fail_at: 0.4}",
}
WRONG = {"kba": {"pet": "Fido"}}
THROUGH, PERSON, AGAIN = (200, "", "continue"), (403, "handoff", "talk_to_person"), (403, "verify", "verify")
LATER = (503, "retry", "retry")
WINDOW = 15 * 60


def policy(declared: str, url: str = "") -> str:
    """Give the end of a policy with one verifier, which both methods ask."""
    return (
        f"verifiers:\n  it: {declared.replace('URL', url)}\n"
        "methods:\n  default: {all: [it], attempts: 3, per: 15m}\n  alternate: {all: [it], attempts: 2, per: 15m}\n"
    )


def right(kind: str, house: House) -> Any:
    """Give the right answer, as the customer would have it now."""
    match kind:
        case "totp":
            return pyotp.TOTP(SECRET).at(int(house.clock.now()))
        case "kba":
            return {"pet": PET}
        case "code":
            return house.told.codes[-1]
        case _:
            return "me"


@asynccontextmanager
async def outside() -> AsyncIterator[tuple[str, list[str]]]:
    """Serve a verification service on loopback that knows its customers; give its address and whom it was asked for."""
    asked: list[str] = []

    async def verify(request: Request) -> JSONResponse:
        body = await request.json()
        asked.append(body["subject"])
        return JSONResponse({"score": 0.95 if body["answers"].get("answer") == "me" else 0.1})

    async with serving(Starlette(routes=[Route("/", verify, methods=["POST"])]), lifespan="off") as url:
        yield f"{url}/", asked


@pytest.fixture(params=list(VERIFIERS))
async def visit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, House]]:
    kind: str = request.param
    async with outside() as (url, asked):
        house = House(tmp_path, policy(VERIFIERS[kind], url))
        if kind == "http":
            house.told.asked = asked
        async with house.served():
            yield kind, house


async def answer(kind: str, house: House, *, rightly: bool, **who: Any) -> tuple[int, str, str]:
    """Answer as a customer does: where a code has to come first, have it sent."""
    if kind == "code":
        begun = await house.prove(**who)
        if begun.status_code != 202:
            return told(begun)
    said = right(kind, house) if rightly else WRONG.get(kind, "000000")
    return told(await house.prove(answers={"it": said}, **who))


async def test_the_right_answer_opens_what_asked_for_it(visit: tuple[str, House]) -> None:
    kind, house = visit
    assert told(await house.balance()) == AGAIN
    assert await answer(kind, house, rightly=True) == THROUGH
    assert (await house.balance()).json() == {"balance": 12}
    assert told(await house.balance(sid="another")) == AGAIN, "proved for this session, and for no other"


async def test_wrong_answers_end_with_a_person_and_the_way_opens_again_by_itself(visit: tuple[str, House]) -> None:
    kind, house = visit
    said = [await answer(kind, house, rightly=False) for _ in range(4)]
    assert said == [AGAIN, AGAIN, PERSON, PERSON]
    asked = len(house.told.asked)
    assert asked == 3, "the fourth answer reached nobody"
    assert await answer(kind, house, rightly=True) == PERSON, "not even the right one counts now"
    assert told(await house.balance(sid="another")) != THROUGH
    assert await answer(kind, house, rightly=True, sid="another") == PERSON, "nor in another session"
    assert len(house.told.asked) == asked
    await house.pass_time(WINDOW + 1)
    assert told(await house.balance()) == AGAIN
    assert await answer(kind, house, rightly=True) == THROUGH
    assert (await house.balance()).status_code == 200


async def test_somebody_of_whom_nothing_is_known_hears_what_a_wrong_answer_hears(visit: tuple[str, House]) -> None:
    kind, house = visit
    if kind in {"python", "http", "code"}:
        assert await answer(kind, house, rightly=False, sub="nobody") == AGAIN
    else:
        assert await answer(kind, house, rightly=True, sub="nobody") == AGAIN
    assert told(await house.balance(sub="nobody")) == AGAIN


@pytest.mark.parametrize("visit", ["totp"], indirect=True)
async def test_a_code_of_an_authenticator_counts_once_in_whichever_session(visit: tuple[str, House]) -> None:
    kind, house = visit
    heard = right(kind, house)
    assert await answer(kind, house, rightly=True) == THROUGH
    assert told(await house.prove(answers={"it": heard}, sid="thief")) == AGAIN
    house.clock.advance(30)
    assert told(await house.prove(answers={"it": heard}, sid="thief")) == AGAIN, "nor while its step is in the window"
    assert await answer(kind, house, rightly=True, sid="other") == THROUGH, "the next code does"


@pytest.mark.parametrize("visit", ["code"], indirect=True)
async def test_a_sent_code_counts_for_its_time_and_no_longer(visit: tuple[str, House]) -> None:
    _, house = visit
    for seconds, opened in ((60, AGAIN), (59, THROUGH)):
        assert (await house.prove()).status_code == 202
        house.clock.advance(seconds)
        assert told(await house.prove(answers={"it": house.told.codes[-1]})) == opened


@pytest.mark.parametrize("visit", ["code"], indirect=True)
async def test_a_sent_code_counts_for_the_session_that_asked_for_it_and_once(visit: tuple[str, House]) -> None:
    _, house = visit
    assert (await house.prove()).status_code == 202
    first = house.told.codes[-1]
    assert (await house.prove(sid="thief")).status_code == 202
    assert told(await house.prove(answers={"it": first}, sid="thief")) == AGAIN, "it was another session's"
    assert told(await house.prove(answers={"it": first})) == THROUGH
    await house.pass_time(31 * 60)
    assert told(await house.balance()) == AGAIN, "what was proved is over"
    assert (await house.prove()).status_code == 202
    assert first != house.told.codes[-1]
    assert told(await house.prove(answers={"it": first})) == AGAIN, "it was used up"


@pytest.mark.parametrize("visit", ["python"], indirect=True)
@pytest.mark.parametrize("said", [None, "passed", 97, RuntimeError("down"), float("nan"), {}])
async def test_a_function_that_answers_nonsense_is_an_outage_and_no_attempt(
    visit: tuple[str, House], said: object
) -> None:
    _, house = visit
    honest = house.told.judge

    def broken(_: object) -> object:
        if isinstance(said, Exception):
            raise said
        return said

    house.told.judge = broken
    for _ in range(4):
        assert told(await house.prove(answers={"it": "me"})) == LATER
        assert told(await house.balance()) == LATER
        await house.pass_time(121)
        assert told(await house.balance()) == AGAIN, "the way opened by itself"
    house.told.judge = honest
    assert told(await house.prove(answers={"it": "me"})) == THROUGH


async def test_a_function_that_hangs_holds_up_nobody_else_and_is_no_attempt(tmp_path: Path) -> None:
    house = House(tmp_path, policy(f"{{type: python, {CALL}:judge', timeout: 50ms}}"))
    gate = threading.Event()
    house.told.judge = lambda _: gate.wait()
    try:
        async with house.served():
            asking = asyncio.create_task(house.prove(answers={"it": "me"}))
            assert (await house.chat(sid="another")).status_code == 200
            assert told(await asking) == LATER
            await house.pass_time(121)
            assert told(await house.balance()) == AGAIN
    finally:
        gate.set()


class Process:
    """A verification service in a process of its own, that can be killed and started again where it was."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    async def start(self, mode: str) -> None:
        """Start it, and wait until it listens."""
        script = Path(__file__).with_name("responder.py")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            script,
            str(self.port),
            mode,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self.port = int(await self.line())

    async def line(self) -> bytes:
        """Give the next line that it writes."""
        assert self._process is not None
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    async def kill(self) -> None:
        """Kill it, this very process."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()


async def test_a_service_that_is_killed_mid_flight_costs_nobody_an_attempt_and_is_asked_again(tmp_path: Path) -> None:
    service = Process()
    await service.start("hang")
    house = House(tmp_path, policy(VERIFIERS["http"], f"http://127.0.0.1:{service.port}/"))
    async with house.served():
        for _ in range(4):
            asking = asyncio.create_task(house.prove(answers={"it": "me"}))
            assert await service.line() == b"asked\n"
            await service.kill()
            assert told(await asking) == LATER
            assert told(await house.prove(answers={"it": "me"})) == LATER, "there is no service at all"
            assert (await house.chat()).status_code == 200, "what needs no proof goes on"
            await service.start("hang")
            await house.pass_time(121)
            assert told(await house.balance()) == AGAIN, "the way opened by itself"
        await service.kill()
        await service.start("pass")
        assert told(await house.prove(answers={"it": "me"})) == THROUGH
        assert (await house.balance()).status_code == 200
    await service.kill()
