"""Of an app's response, what a transaction stores is recorded as sent, bounded, and only if it is whole."""

from __future__ import annotations

from typing import Any

import pytest

from authguard.asgi.response_recorder import ResponseRecorder, run_transaction
from authguard.evaluation.decision import AppResponse
from authguard.evaluation.transactions import KEPT_HEADERS, MAX_RESPONSE_BYTES


def start(status: int = 201, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


def test_a_response_in_parts_is_complete_with_its_last_part() -> None:
    recorder = ResponseRecorder()
    messages = [start(201, (b"Content-Type", b"text/plain")), body(b"one ", more=True), body(b"two")]

    assert [recorder.record(message) for message in messages] == [False, False, True]
    answer = recorder.answer()
    assert (answer.status, answer.content_type, answer.body, answer.whole) == (201, "text/plain", b"one two", True)


def test_a_body_message_without_its_optional_members_is_an_empty_last_part() -> None:
    recorder = ResponseRecorder()
    recorder.record(start(204))

    assert recorder.record({"type": "http.response.body"})
    assert recorder.answer().body == b""


def test_only_the_headers_that_a_repeat_needs_are_kept_in_lower_case() -> None:
    kept = sorted(KEPT_HEADERS)
    recorder = ResponseRecorder()
    recorder.record(start(201, *((name.title(), b"v") for name in kept), (b"Set-Cookie", b"secret=1")))

    assert recorder.answer().headers == tuple((name, b"v") for name in kept)


def test_a_body_up_to_the_bound_is_whole_and_one_byte_more_is_not() -> None:
    for extra, whole in ((0, True), (1, False)):
        recorder = ResponseRecorder()
        recorder.record(start())
        recorder.record(body(b"x" * MAX_RESPONSE_BYTES, more=True))

        assert recorder.record(body(b"x" * extra))
        assert recorder.answer().whole is whole
        assert len(recorder.answer().body) == MAX_RESPONSE_BYTES


def test_what_follows_a_part_that_was_too_large_does_not_make_it_whole_again() -> None:
    recorder = ResponseRecorder()
    recorder.record(start())
    recorder.record(body(b"x" * (MAX_RESPONSE_BYTES + 1), more=True))
    recorder.record(body(b"short"))

    assert not recorder.answer().whole


@pytest.mark.parametrize(("kind", "is_last"), [("http.response.pathsend", True), ("http.response.trailers", False)])
def test_a_response_that_the_server_sends_itself_is_complete_but_not_whole(kind: str, is_last: bool) -> None:  # noqa: FBT001 - a case
    recorder = ResponseRecorder()
    recorder.record(start())

    assert recorder.record({"type": kind, "path": "/tmp/file"}) is is_last
    assert not recorder.answer().whole


def test_no_message_of_a_websocket_completes_anything() -> None:
    recorder = ResponseRecorder()

    for kind in ("websocket.accept", "websocket.send", "websocket.close"):
        assert not recorder.record({"type": kind})
    assert recorder.answer().status == 0


async def _nothing() -> dict[str, object]:
    return {"type": "http.disconnect"}


async def test_a_transaction_is_settled_before_its_last_byte_is_sent() -> None:
    order: list[str] = []

    async def app(_: object, __: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def settle(response: AppResponse) -> None:
        order.append(f"settled {response.status}")

    async def send(message: Any) -> None:
        order.append(message["type"])

    await run_transaction(app, settle, {}, _nothing, send)
    assert order == ["http.response.start", "settled 201", "http.response.body"]


async def test_an_app_that_fails_settles_it_as_unknown_and_its_error_is_raised() -> None:
    settled: list[AppResponse] = []

    async def app(*_: object) -> None:
        raise LookupError

    async def settle(response: AppResponse) -> None:
        settled.append(response)

    with pytest.raises(LookupError):
        await run_transaction(app, settle, {}, _nothing, _nothing)  # type: ignore[arg-type]  # nothing is sent
    assert settled == [AppResponse(0)]
