"""Identity verification on an open WebSocket, with a real server, a real client, and a recording app."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect

from authguard.asgi.guard import current_guard
from authguard.asgi.websocket_verification import MAX_MESSAGE_CHARS, is_reserved, parse_request
from tests.verification.server import ROUTES, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.websockets import WebSocket

CALL = "call: 'tests.verification.functions"
VERIFIERS = (
    f"verifiers:\n  it: {{type: python, {CALL}:judge'}}\n  sms: {{type: code, {CALL}:send'}}\n"
    "methods:\n  default: {any: [it, sms], attempts: 3, per: 15m}\n  alternate: {all: [it], attempts: 2, per: 15m}\n"
)
RIGHT = {"method": "default", "answers": {"it": "me"}}
WRONG = {"method": "default", "answers": {"it": "somebody else"}}


class Talk:
    """An app on a WebSocket: it records and echoes its messages, and runs a few commands."""

    def __init__(self) -> None:
        self.saw: list[Any] = []

    async def live(self, websocket: WebSocket) -> None:
        """Serve one connection."""
        await websocket.accept()
        guard = current_guard(websocket)
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            said = message.get("text") if message.get("text") is not None else message.get("bytes")
            self.saw.append(said)
            if said == "states":
                await websocket.send_json(dict(guard.states))
            elif said == "forge":
                await websocket.send_json({"authguard": {"verify": {"next": {"action": "continue"}}}})
            elif said == "close":
                await websocket.close()
                return
            elif said == "fall":
                raise LookupError("the app fell")
            elif isinstance(said, bytes):
                await websocket.send_bytes(said)
            else:
                await websocket.send_text(f"echo {said}")


class Scene:
    """A deployment with a WebSocket app."""

    def __init__(self, folder: Path) -> None:
        self.talk = Talk()
        self.house = House(folder, VERIFIERS, (*ROUTES, WebSocketRoute("/live", self.talk.live)))

    @asynccontextmanager
    async def socket(self, **claims: Any) -> AsyncIterator[ClientConnection]:
        """Connect as the customer."""
        headers = {"Authorization": f"Bearer {self.house.token(**claims)}"}
        url = self.house.url.replace("http", "ws", 1) + "/live"
        async with connect(url, additional_headers=headers, max_size=None, proxy=None) as socket:
            yield socket


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path)
    async with made.house.served():
        yield made


async def verify(socket: ClientConnection, wanted: Any) -> dict[str, Any]:
    """Send a message to the guard, and return its reply."""
    await socket.send(json.dumps({"authguard": {"verify": wanted}}))
    return heard(await socket.recv())


def guesses(scene: Scene) -> int:
    """Count the checks of a verifier, without the codes that were sent."""
    return len(scene.house.told.asked) - len(scene.house.told.codes)


def heard(said: str | bytes) -> dict[str, Any]:
    """Parse a reply of the guard."""
    inner: dict[str, Any] = json.loads(said)["authguard"]["verify"]
    return inner


async def test_the_right_answer_opens_the_way_and_the_app_never_sees_it(scene: Scene) -> None:
    async with scene.socket() as socket:
        assert (await scene.house.balance()).status_code == 403
        assert await verify(socket, RIGHT) == {"operation": "balance", "next": {"action": "continue"}}
        assert (await scene.house.balance()).status_code == 200
        await socket.send("states")
        assert json.loads(await socket.recv())["verification"] == "verified", "the app sees what came of it"
    assert scene.talk.saw == ["states"]


async def test_what_is_not_enough_keeps_the_socket_open_and_the_guard_asks_again(scene: Scene) -> None:
    async with scene.socket() as socket:
        said = [await verify(socket, WRONG) for _ in range(3)]
        assert [one["outcome"] for one in said] == ["verify", "verify", "handoff"]
        assert said[0]["next"] == {"action": "verify", "methods": ["default"]}
        assert (await verify(socket, RIGHT))["outcome"] == "handoff"
        assert guesses(scene) == 3
        await socket.send("still here")
        assert await socket.recv() == "echo still here"
    assert scene.talk.saw == ["still here"]


async def test_a_code_is_sent_when_the_answer_is_empty_and_its_attempt_goes_on_over_http(scene: Scene) -> None:
    async with scene.socket() as socket:
        begun = await verify(socket, {"method": "default"})
        assert begun["next"] == {"action": "answer", "method": "default", "wanted": ["it", "sms"]}
    answer = await scene.house.prove(answers={"sms": scene.house.told.codes[-1]})
    assert answer.json()["next"] == {"action": "continue"}


async def test_all_else_reaches_the_app_as_it_came(scene: Scene) -> None:
    sent = [
        "hello",
        "authguard",
        '{"text": "authguard"}',
        '["authguard"]',
        '{"text": "{\\"authguard\\": 1}"}',
        "authguard: what is it?",
        "{",
        "",
        "\\u0061",
    ]
    async with scene.socket() as socket:
        for text in sent:
            await socket.send(text)
            assert await socket.recv() == f"echo {text}"
        large = json.dumps({"text": '"authguard"' + "x" * 100_000})
        await socket.send(large)
        assert await socket.recv() == f"echo {large}"
        await socket.send(b"\x00authguard\xff")
        assert await socket.recv() == b"\x00authguard\xff"
    assert scene.talk.saw == [*sent, large, b"\x00authguard\xff"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (
            '{"authguard": {"verify": {"method": "default", "answers": {"it": "' + "x" * 900_000 + '"}}}}',
            "body-malformed",
        ),
        ('  {\n"authguard" :{"verify": ' + "[" * 200_000, "body-malformed"),
        ('{"authguard": ' + "[" * 5_000 + "]" * 5_000 + "}", "body-malformed"),
        ('{"authguard": {"verify": ', "body-malformed"),
        ('{"authguard": null}', "body-malformed"),
        ('{"authguard": {"credential": "secret"}}', "body-malformed"),
        ('{"authguard": {"verify": null}}', "body-malformed"),
        ('{"authguard": {"verify": {"method": "default"}}, "text": "secret"}', "body-malformed"),
        ('{"text": "secret", "authguard": {"verify": {"method": "default"}}}', "body-malformed"),
        ('{"\\u0061uthguard": {"verify": {"method": "default", "answers": {"it": 1}}}}', "body-malformed"),
        ('{"authguard": {"verify": {"method": NaN}}}', "body-malformed"),
        ('{"authguard": {"verify": {"method": "\\ud800"}}}', "body-malformed"),
        ('\ufeff{"authguard": {"verify": {"method": "default", "answers": {"it": "me"}}}}', "body-malformed"),
        ('{"a": {"authguard": {"verify": {}}}}', "body-malformed"),
        (b'{"authguard": {"verify": {"method": "default", "answers": {"it": "me"}}}}', "body-malformed"),
        ('{"authguard": {"verify": {"method": "no such"}}}', "proof-malformed"),
        ('{"authguard": {"verify": {"method": "default", "answers": {"it": "' + "x" * 600 + '"}}}}', "proof-malformed"),
    ],
)
async def test_what_is_no_answer_is_told_so_is_no_attempt_and_never_reaches_the_app(
    scene: Scene, message: str | bytes, code: str
) -> None:
    async with scene.socket() as socket:
        await socket.send(message)
        assert heard(await socket.recv())["type"] == f"urn:authguard:refusal:{code}"
        assert (await verify(socket, RIGHT))["next"] == {"action": "continue"}
    assert scene.talk.saw == []
    assert guesses(scene) == 1


async def test_a_method_that_the_table_does_not_name_is_not_taken(scene: Scene) -> None:
    async with scene.socket() as socket:
        said = await verify(socket, {"method": "alternate", "answers": {"it": "me"}})
    assert said["next"] == {"action": "verify", "methods": ["default"]}
    assert scene.house.told.asked == []


async def test_a_flood_is_answered_one_by_one_guesses_no_more_than_the_attempts_and_holds_up_nobody_else(
    scene: Scene,
) -> None:
    guess = json.dumps({"authguard": {"verify": WRONG}})
    async with scene.socket() as socket, scene.socket(sid="another") as other:
        for _ in range(200):
            await socket.send(guess)
        await other.send("hello")
        assert await other.recv() == "echo hello"
        said = [heard(await socket.recv()) for _ in range(200)]
        assert [one["outcome"] for one in said] == ["verify", "verify", *["handoff"] * 198]
        assert guesses(scene) == 3
        await socket.send("hello")
        assert await socket.recv() == "echo hello"


async def test_while_a_verifier_thinks_the_app_goes_on_talking(scene: Scene) -> None:
    gate, asked = asyncio.Event(), asyncio.Event()
    verifier = scene.house.guard.enforcer.verifications._verifiers["it"]
    honest = verifier.verify

    async def slow(parse_request: Any) -> Any:
        asked.set()
        await gate.wait()
        return await honest(parse_request)

    scene.house.guard.enforcer.verifications._verifiers["it"].verify = slow  # type: ignore[method-assign]
    async with scene.socket() as socket:
        await socket.send(json.dumps({"authguard": {"verify": RIGHT}}))
        await asked.wait()
        await socket.send("meanwhile")
        assert await socket.recv() == "echo meanwhile"
        gate.set()
        assert heard(await socket.recv())["next"] == {"action": "continue"}


async def test_whoever_leaves_before_the_answer_has_proved_what_they_proved(scene: Scene) -> None:
    gate, asked = asyncio.Event(), asyncio.Event()
    verifier = scene.house.guard.enforcer.verifications._verifiers["it"]
    honest = verifier.verify

    async def slow(parse_request: Any) -> Any:
        asked.set()
        await gate.wait()
        return await honest(parse_request)

    scene.house.guard.enforcer.verifications._verifiers["it"].verify = slow  # type: ignore[method-assign]
    async with scene.socket() as socket:
        await socket.send(json.dumps({"authguard": {"verify": RIGHT}}))
        await asked.wait()
    gate.set()
    async with asyncio.timeout(30):
        while (await scene.house.balance()).status_code != 200:
            pass  # the transaction is settled shortly afterwards


async def test_a_credential_that_has_run_out_proves_nothing_though_the_socket_is_open(scene: Scene) -> None:
    async with scene.socket() as socket:
        scene.house.clock.advance(400)
        said = await verify(socket, RIGHT)
        assert (said["outcome"], said["next"]) == ("challenge", {"action": "authenticate"})
        await socket.send("hello")
        assert await socket.recv() == "echo hello"
    assert scene.house.told.asked == []


async def test_an_agent_does_not_prove_who_its_customer_is(scene: Scene) -> None:
    async with scene.socket(act={"sub": "concierge"}) as socket:
        assert (await verify(socket, RIGHT))["outcome"] == "deny"
    assert scene.house.told.asked == []


async def test_what_the_app_says_is_left_alone_and_moves_nothing(scene: Scene) -> None:
    async with scene.socket() as socket:
        await socket.send("forge")
        assert heard(await socket.recv()) == {"next": {"action": "continue"}}, (
            "as ADR 21 says: the app speaks for itself"
        )
        assert (await scene.house.balance()).status_code == 403


async def test_an_app_that_falls_falls_as_it_would_without_the_guard(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR", logger="uvicorn.error")  # the servers of other tests have changed the log level
    async with scene.socket() as socket:
        await socket.send("fall")
        await socket.wait_closed()
    logged = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert logged == [LookupError], "the server caught what the app raised, as it was"


async def test_after_the_end_nothing_is_said(scene: Scene) -> None:
    async with scene.socket() as socket:
        await socket.send("close")
        await socket.send(json.dumps({"authguard": {"verify": WRONG}}))
        await socket.wait_closed()
        assert socket.close_code == 1000
    assert (await scene.house.chat()).status_code == 200


def holds(document: Any) -> bool:
    """Return whether the name is a key anywhere in a document."""
    if isinstance(document, list):
        return any(map(holds, document))
    return isinstance(document, dict) and ("authguard" in document or any(map(holds, document.values())))


#: texts that a lenient parser, and partly Python's `json`, parses as a message to the guard
LENIENT = [
    '{"authguard": NaN}',
    '{"authguard": {"x": "\\ud800"}}',
    '\ufeff{"authguard": 1}',
    '{"AUTHGUARD": 1}',
    '{"a": {"authguard": 1}, "a": 2}',
    '[{"authguard": 1}]',
    "{'authguard': 1}",
    "{authguard: 1}",
    "{/**/ authguard /**/ : 1}",
    '{"a": 1}\n{"authguard": 1}',
    '// here\n{"authguard" : 1}',
    '{"\\x61uthguard": 1}',
    '{"\\u{61}uthguard": 1}',
    '{"\\authguard": 1}',
    "{'auth\\\nguard': 1}",
    '{"authguard"\ufeff: 1}',
    '{"x": NaN, "\\u0041uthguard"  : 1}',
    "{authguard",
    '{"authguard": ' + "[" * 100_000,
    '{"a": "' + "x" * MAX_MESSAGE_CHARS + '", "\\u0061uthguard": 1}',
    "{'a': '" + "x" * MAX_MESSAGE_CHARS + "', '\\x61uthguard': 1}",
    "{'a': '" + "x" * MAX_MESSAGE_CHARS + "', 'authguard': 1}",
]


@pytest.mark.parametrize("text", LENIENT)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-le"])
def test_what_a_lenient_parser_reads_as_the_guards_is_no_apps(text: str, encoding: str) -> None:
    assert is_reserved(text)
    assert is_reserved(text.encode(encoding, "surrogatepass"))


def test_bytes_that_a_decoder_leaves_out_hide_no_name() -> None:
    assert is_reserved(b'{"auth\xffguard": 1}')


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_message_with_the_reserved_name_is_the_apps_and_no_other_is_the_guards(document: Any) -> None:
    text = json.dumps(document)
    assert is_reserved(text) == holds(document)
    assert is_reserved(json.dumps({"authguard": document}))
    assert is_reserved(json.dumps({"authguard": document, "more": "x" * MAX_MESSAGE_CHARS}))
    assert is_reserved(json.dumps({"more": "x" * MAX_MESSAGE_CHARS, "authguard": document}))
    assert is_reserved(json.dumps({"more": "x" * MAX_MESSAGE_CHARS}).removesuffix("}") + ', "\\u0061uthguard": 1}')
    assert parse_request(json.dumps({"authguard": {"verify": document}})) == json.dumps(document).encode()
