"""Callers who hang up under a real server, mid-body, before the answer, mid-answer: each refund has a known end."""

from __future__ import annotations

import json
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from authguard.audit.verify.log_verifier import verify
from tests.fuzz.child import Child, statuses
from tests.fuzz.requests import LAST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY = b'{"amount": 5, "currency": "EUR"}'
#: looks at the log until something must have been written to it
LOOKS = 500


@pytest.fixture(scope="module", params=["httptools", "h11"])
def child(request: pytest.FixtureRequest) -> Iterator[Child]:
    with Child("--http", request.param) as child:
        yield child


def refund(token: str, *, key: str, length: int = len(BODY), more: str = "") -> bytes:
    """Give the head of a refund."""
    return (
        f"POST /orders/7/refund HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n"
    ).encode()


def hang_up(child: Child, sent: bytes, *, read: int = 0, reset: bool) -> None:
    """Send, read as many bytes at least, and be gone: politely, or as a cable that is cut."""
    with socket.create_connection(("127.0.0.1", child.port), timeout=300) as connection:
        connection.sendall(sent)
        received = 0
        while received < read:
            received += len(connection.recv(4_096))
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def asked_until_free(child: Child, sent: bytes) -> bytes:
    """Ask again while the first is still being settled."""
    for _ in range(LOOKS):
        answer = child.exchange(sent)
        if statuses(answer) != [409]:
            return answer
    raise AssertionError("it is never settled")


def entries(child: Child) -> list[dict[str, Any]]:
    """Read the whole lines of the log."""
    raw = (child.folder / "audit.jsonl").read_bytes()
    return [json.loads(line) for line in raw[: raw.rfind(b"\n") + 1].splitlines()]


def await_line(child: Child, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask for something harmless until the log has a line that is wanted."""
    for _ in range(LOOKS):
        found = [entry for entry in entries(child) if wanted(entry)]
        if found:
            return found[-1]
        assert statuses(child.exchange(LAST)) == [200]
    raise AssertionError("nothing was recorded of it")


def runs(child: Child, record: str) -> int:
    """Count the runs of the app by one decision."""
    lines = (child.folder / "runs.jsonl").read_text("utf-8").splitlines()
    return sum(json.loads(line)["record"] == record for line in lines)


def moved(name: str, subject: str) -> Callable[[dict[str, Any]], bool]:
    """Look for a transition of somebody's transaction."""
    wanted = {"kind": "transition", "machine": "transaction", "event": name, "subject": subject}
    return lambda entry: wanted.items() <= entry.items()


def subject_of(child: Child, token: str) -> str:
    """Find out how the log names somebody."""
    trace = f"{len(entries(child)):032x}"
    request = (
        f"GET /orders/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n"
        f"Traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\r\n"
    )
    assert statuses(child.exchange(request.encode())) == [200]
    return str(await_line(child, lambda entry: entry.get("trace_id") == trace)["subject"])


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_caller_who_hangs_up_mid_body_has_begun_nothing(child: Child, *, reset: bool) -> None:
    token = child.token(sub=f"mid-body-{reset}")
    subject = subject_of(child, token)
    hang_up(child, refund(token, key="k") + BODY[:10], reset=reset)
    refused = await_line(child, lambda entry: entry["kind"] == "refusal" and entry.get("subject") == subject)
    assert refused["reason"] == "body-cut"
    assert not [entry for entry in entries(child) if moved("started", subject)(entry)]
    assert statuses(child.exchange(refund(token, key="k") + BODY)) == [200], "the same key is free"
    child.check()


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_caller_who_hangs_up_before_the_answer_finds_it_done_and_it_runs_once(child: Child, *, reset: bool) -> None:
    token = child.token(sub=f"early-{reset}")
    subject = subject_of(child, token)
    before = child.runs
    hang_up(child, refund(token, key="k") + BODY, reset=reset)
    # the whole request may be lost with the connection that is reset: then nothing began, and it runs now
    answer = asked_until_free(child, refund(token, key="k") + BODY)
    assert statuses(answer) in ([200], [403])
    await_line(child, moved("committed" if statuses(answer) == [200] else "lost", subject))
    ran = [run for run in child.check() if run["route"] == "refund"]
    assert len(ran) == 1
    assert child.runs > before


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_refund_whose_caller_hangs_up_mid_answer_is_in_doubt_and_goes_to_a_person(
    child: Child, *, reset: bool
) -> None:
    token = child.token(sub=f"mid-answer-{reset}")
    subject = subject_of(child, token)
    hang_up(child, refund(token, key="k", more="X-Stream: yes\r\n") + BODY, read=1_000, reset=reset)
    lost = await_line(child, moved("lost", subject))
    assert (lost["source"], lost["dest"]) == ("running", "in_doubt")
    assert runs(child, lost["decision"]) == 1
    again = asked_until_free(child, refund(token, key="k", more="X-Stream: yes\r\n") + BODY)
    assert statuses(again) == [403]
    assert b'"outcome":"handoff"' in again
    child.check()


def test_after_all_of_them_nobody_waits_and_the_log_verifies(child: Child) -> None:
    assert statuses(child.exchange(refund(child.token(sub="later"), key="k") + BODY)) == [200]
    assert child.figures()["tasks"] <= 6
    assert verify(child.folder / "audit.jsonl").ok
