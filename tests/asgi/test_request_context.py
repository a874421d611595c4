"""What a record states besides the headers: the active span's trace, and peer, method and template where asked for."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient, WebSocketDenialResponse

from authguard import AuthGuard, PolicyError, active_span
from authguard.asgi.request_context import RequestContext
from authguard.core.request import Evidence
from authguard.policy.compiler import load
from authguard.records.entries import DecisionEntry, FaultEntry, RefusalEntry
from authguard.testing import FakeClock, Mint
from tests.asgi.shop import Shop
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.requests import Request

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{OTHER}-00f067aa0ba902b7-01"}
ALL = "audit: {request: [peer, method, path], peers: plain}\n"


def span(trace_id: str = TRACE) -> Any:
    """Return a context in which a span of this trace is active."""
    context = SpanContext(int(trace_id, 16), 0x00F067AA0BA902B7, is_remote=False, trace_flags=TraceFlags(1))
    return trace.use_span(NonRecordingSpan(context))


def bearer(token: bytes, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {"Authorization": token.decode(), **(more or {})}


async def test_the_active_span_is_named_where_no_header_came() -> None:
    shop = Shop()
    token = shop.desk.login()
    async with shop.client() as client:
        with span():
            for more in ({}, {}, PARENT, {"traceparent": "00-of-no-use"}):
                assert (await client.post("/chat", headers=bearer(token, more))).status_code == 200
            assert (await client.request("B4D", "/chat")).status_code == 400
        assert (await client.post("/chat", headers=bearer(token))).status_code == 200
    assert [one.trace_id for one in shop.desk.sink.of(DecisionEntry)] == [TRACE, TRACE, OTHER, TRACE, ""]  # type: ignore[union-attr]
    assert [one.trace_id for one in shop.desk.sink.of(RefusalEntry)] == [TRACE]  # type: ignore[union-attr]


def test_the_active_span_of_a_handshake_is_named() -> None:
    shop = Shop()

    async def traced(scope: Any, receive: Any, send: Any) -> None:
        with span():
            await shop.app(scope, receive, send)

    with (
        TestClient(traced) as client,
        pytest.raises(WebSocketDenialResponse),
        client.websocket_connect("/live"),
    ):
        pass
    assert [one.trace_id for one in shop.desk.sink.of(DecisionEntry)] == [TRACE]  # type: ignore[union-attr]


async def test_without_opentelemetry_nothing_is_looked_for_or_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    shop = Shop()
    async with shop.client() as client:
        assert (await client.post("/chat", headers=bearer(shop.desk.login()))).status_code == 200
    assert shop.app._context is None
    assert active_span.active_trace_id() == ""
    assert "opentelemetry" not in {name.partition(".")[0] for name in sys.modules}


def raising() -> Any:
    raise RuntimeError("a broken plug-in")


@pytest.mark.parametrize(
    "api",
    [
        pytest.param({}, id="is being loaded"),
        pytest.param({"get_current_span": raising}, id="raises"),
        pytest.param({"get_current_span": lambda: None}, id="has no span"),
        pytest.param({"get_current_span": lambda: NonRecordingSpan(SpanContext(0, 1, is_remote=False))}, id="invalid"),
    ],
)
def test_whatever_opentelemetry_does_there_is_a_trace_or_none(
    api: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("opentelemetry.trace")
    module.__dict__.update(api)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
    assert active_span.active_trace_id() == ""


async def test_a_record_has_no_property_of_the_request_unless_the_policy_asks() -> None:
    shop = Shop()
    async with shop.client() as client:
        await client.post("/chat", headers=bearer(shop.desk.login()))
        await client.get("/orders/../7")
    for entry in shop.desk.sink.entries:
        assert not {"peer", "method", "path"} & json.loads(_line(entry)).keys()


def _line(entry: Any) -> str:
    return msgspec.json.encode(entry).decode()


async def test_records_have_peer_method_and_template_where_the_policy_asks() -> None:
    shop = Shop(POLICY.replace("match: {path: /chat, method: POST}", "match: {path: '/chat/{room}'}") + ALL)
    token = shop.desk.login()
    async with shop.client() as client:
        for method in ("POST", "GET", "PUT", "POST"):  # the first is evaluated, the others are repeated from the cache
            await client.request(method, "/chat/of-eleonore", headers=bearer(token))
        await client.get("/chat/of-eleonore")
        await client.request("B4D", "/chat/of-eleonore")
    decisions = [(one.peer, one.method, one.path) for one in shop.desk.sink.of(DecisionEntry)]  # type: ignore[union-attr]
    assert decisions == [("127.0.0.1", method, "/chat/{room}") for method in ("POST", "GET", "PUT", "POST", "GET")]
    refusals = [(one.peer, one.method, one.path) for one in shop.desk.sink.of(RefusalEntry)]  # type: ignore[union-attr]
    assert refusals == [("127.0.0.1", "", "")], "neither a method that is none nor a raw path"
    assert "eleonore" not in "".join(map(_line, shop.desk.sink.entries))


async def test_a_repeated_decision_differs_from_the_first_only_by_what_the_request_has() -> None:
    shop = Shop(POLICY + ALL)
    token = shop.desk.login()
    async with shop.client() as client:
        for _ in range(3):
            await client.post("/chat", headers=bearer(token, PARENT))
    first, second, third = (json.loads(_line(one)) for one in shop.desk.sink.of(DecisionEntry))
    assert list(second) == list(first)
    assert {**first.pop("facts"), "stored": ""} == {**second.pop("facts"), "stored": ""}
    assert "facts" not in third, "an earlier record of the same credential has them"
    assert {**second, "id": "", "events": 0} == {**third, "id": "", "events": 0}
    assert {name for name in first if first[name] != second[name]} <= {"id", "events"}


async def test_a_fault_has_them_too() -> None:
    shop = Shop(POLICY + ALL)

    async def fails(*_: Any) -> Any:
        raise OSError("of no interest")

    shop.desk.enforcer._attempt = fails  # type: ignore[method-assign]
    async with shop.client() as client:
        answer = await client.post("/chat", headers=bearer(shop.desk.login(), PARENT))
    assert answer.status_code == 503
    (fault,) = shop.desk.sink.of(FaultEntry)
    assert (fault.peer, fault.method, fault.path, fault.trace_id) == ("127.0.0.1", "POST", "/chat", OTHER)  # type: ignore[union-attr]


def test_a_handshake_has_its_own_method_and_template() -> None:
    shop = Shop(POLICY + ALL)
    with TestClient(shop.app, client=("2001:db8::1", 50_000)) as client, pytest.raises(WebSocketDenialResponse):
        client.websocket_connect("/live").__enter__()
    assert [(one.peer, one.method, one.path) for one in shop.desk.sink.of(DecisionEntry)] == [  # type: ignore[union-attr]
        ("2001:db8::1", "websocket", "/live")
    ]


@pytest.mark.parametrize(
    ("client", "named"),
    [
        (("203.0.113.7", 1), "203.0.113.7"),
        (("::ffff:203.0.113.7", 1), "203.0.113.7"),
        (("2001:DB8:0::7", 1), "2001:db8::7"),
        (("fe80::1%eth0", 1), "fe80::1"),
        (("testclient", 1), ""),
        (('203.0.113.7", "outcome": "allow', 1), ""),
        (("", 0), ""),
        (("/run/app.sock", None), ""),
        ((None, None), ""),
        (None, ""),
    ],
)
def test_a_peer_is_an_address_in_one_spelling_or_nothing(client: Any, named: str) -> None:
    context = RequestContext(str, records_peer=True)
    assert context.add(Evidence(), {"client": client}).peer == named
    assert context.add(Evidence(), {}).peer == ""


@pytest.mark.parametrize(("peers", "plain"), [("", False), (", peers: pseudonymous", False), (", peers: plain", True)])
async def test_addresses_are_keyed_hashes_unless_the_policy_wants_them_plain(
    peers: str,
    plain: bool,  # noqa: FBT001 - a row of the table
    tmp_path: Path,
) -> None:
    async def chat(_: Request) -> JSONResponse:
        return JSONResponse({})

    clock = FakeClock()
    mint = Mint.create(clock)
    (tmp_path / "keys.json").write_text(json.dumps(mint.jwks("ES256")), "utf-8")
    (tmp_path / "policy.yaml").write_text(f"{POLICY}audit: {{request: [peer]{peers}}}\n", "utf-8")
    log = tmp_path / "audit.jsonl"
    guard = AuthGuard(
        Starlette(routes=[Route("/chat", chat, methods=["POST"])]),
        tmp_path / "policy.yaml",
        store=tmp_path / "store.db",
        audit_log=log,
        clock=clock,
        environ={},
    )
    token = mint.mint(scope="chat", acr="aal2", account_status="ok")
    for host in ("203.0.113.7", "203.0.113.8", "203.0.113.7"):
        transport = httpx2.ASGITransport(guard, client=(host, 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="http://a.test") as client:
            for given in ({"Authorization": f"Bearer {token}"}, {}):
                await client.post("/chat", headers=given)
    await guard.enforcer.close()
    records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    found = [record["peer"] for record in records if record["kind"] == "decision"]
    assert len(found) == 6
    assert found[0] == found[1] == found[4] == found[5] != found[2] == found[3]
    assert ("203.0.113" in log.read_text("utf-8")) is plain
    assert (found[0] == "203.0.113.7") is plain


def test_a_form_of_addresses_without_addresses_is_told() -> None:
    with pytest.raises(PolicyError, match=r"`peers` has no effect.*write `request: \[peer\]`"):
        load("test-desk.yaml", text=f"{POLICY}audit: {{request: [path], peers: plain}}\n".encode())
