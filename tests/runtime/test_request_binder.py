"""Request bindings: large bodies in a thread, one at a time for each account, and a limit on complexity."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import Operation
from authguard.encryption import PayloadCipher
from authguard.errors import BusyError
from authguard.evaluation import transactions
from authguard.evaluation.request import AccessRequest, Body
from authguard.evaluation.request_binding import RequestBinding
from authguard.runtime.request_binder import MAX_INLINE_BYTES, MAX_INLINE_FIELDS, RequestBinder
from tests.support.harness import POLICY, CountingIds, policy_of, signed_in

ASK = AccessRequest(operation=Operation(name="refund"), method="POST")
ALICE = signed_in("alice", at=1.0).principal
MALLORY = signed_in("mallory", at=1.0).principal
SMALL = Body(b'{"amount": 1}', b"/refund", "application/json", b"application/json")
LARGE = Body(b'{"text": "' + b"x" * MAX_INLINE_BYTES + b'"}', b"/refund", "application/json", b"application/json")


def binder(budget: str = "60s", nodes: int = 50_000) -> RequestBinder:
    """Return a binder with these budgets."""
    return RequestBinder(
        policy_of(POLICY + f"budget: {{request: {budget}, nodes: {nodes}}}\n"),
        CountingIds(),
        PayloadCipher((bytes(32),)),
    )


class Threads:
    """Records the threads of canonicalization, and their concurrency."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.entered = threading.Semaphore(0)
        self.leave = threading.Event()
        self._canonical = transactions.canonicalize
        monkeypatch.setattr(transactions, "canonicalize", self.canonical)

    def canonical(self, *arguments: bytes | str) -> object:
        """Record the thread, and wait on demand."""
        self.names.append(threading.current_thread().name)
        self.entered.release()
        assert threading.current_thread() is threading.main_thread() or self.leave.wait(60)
        return self._canonical(*arguments)  # type: ignore[arg-type]


async def test_small_bodies_are_bound_on_the_event_loop_and_large_ones_in_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads, bound = Threads(monkeypatch), binder()
    threads.leave.set()
    for body in (SMALL, LARGE):
        binding = await bound.bind(ASK, ALICE, body)
        assert isinstance(binding, RequestBinding)
        assert binding.body.document == json.loads(body.content)
    assert threads.names == [threading.main_thread().name, "authguard-worker"]
    bound.close()


async def test_many_fields_and_a_long_target_go_to_the_thread_too(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, bound = Threads(monkeypatch), binder()
    threads.leave.set()
    form = "application/x-www-form-urlencoded"
    for body in (
        Body(b"&".join([b"a=1"] * MAX_INLINE_FIELDS), b"/refund", form, form.encode()),
        Body(b"&".join([b"a=1"] * (MAX_INLINE_FIELDS + 1)), b"/refund", form, form.encode()),
        Body(b"a=1", b"/refund?" + b"&".join([b"%41"] * 600), form, form.encode()),
    ):
        assert isinstance(await bound.bind(ASK, ALICE, body), RequestBinding)
    assert threads.names == [threading.main_thread().name, "authguard-worker", "authguard-worker"]
    bound.close()


async def test_one_account_has_one_large_body_in_the_thread_and_others_come_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads, bound = Threads(monkeypatch), binder()
    order: list[str] = []

    async def send(name: str, who: object) -> None:
        assert isinstance(await bound.bind(ASK, who, LARGE), RequestBinding)  # type: ignore[arg-type]
        order.append(name)

    waiting = [asyncio.ensure_future(send(f"mallory {number}", MALLORY)) for number in range(5)]
    waiting.append(asyncio.ensure_future(send("alice", ALICE)))
    await asyncio.to_thread(threads.entered.acquire)
    threads.leave.set()
    await asyncio.gather(*waiting)
    assert order.index("alice") <= 1, "the bodies of one account queued in front of another's"
    bound.close()


async def test_a_turn_that_does_not_come_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, bound = Threads(monkeypatch), binder(budget="50ms")
    with pytest.raises(BusyError):
        await bound.bind(ASK, MALLORY, LARGE)
    threads.leave.set()
    bound.close()


async def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, bound = Threads(monkeypatch), binder(nodes=100)
    body = Body(b"[" + b"1," * 100 + b"1]", b"/refund", "application/json", b"application/json")
    assert await bound.bind(ASK, ALICE, body) is Reason.BODY_TOO_COMPLEX
    assert not threads.names
    form = Body(body.content, b"/refund", "text/plain", b"text/plain")
    assert isinstance(await bound.bind(ASK, ALICE, form), RequestBinding), "what is no JSON is not parsed"
    bound.close()
