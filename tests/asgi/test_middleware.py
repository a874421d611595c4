"""The shell over ASGI: the reply for each outcome, and the scope that the app gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.errors import AuditError, AuthguardError
from authguard.records.entries import DecisionEntry, RefusalEntry
from tests.asgi.shop import Shop
from tests.support.harness import POLICY
from tests.support.hypothesis_profile import examples

if TYPE_CHECKING:
    import httpx2

REFUND = {"amount": 12.5, "currency": "EUR"}


def bearer(token: bytes) -> dict[str, str]:
    return {"Authorization": token.decode()}


def assert_problem(answer: httpx2.Response, status: int, outcome: str, action: str) -> dict[str, Any]:
    """Assert the common form of refusals (WIRE 2, RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"] == f"urn:authguard:outcome:{outcome}"
    assert body["outcome"] == outcome
    assert body["instance"].startswith("urn:authguard:record:r")
    assert body["detail"]
    assert body["next"]["action"] == action
    return body


async def test_nothing_sent_is_challenged_without_an_error_code() -> None:
    shop = Shop()
    async with shop.client() as client:
        answer = await client.post("/chat")
    assert_problem(answer, 401, "challenge", "authenticate")
    assert answer.headers["www-authenticate"] == 'Bearer realm="test-desk", scope="chat"'
    assert shop.runs == []


async def test_what_could_not_be_recorded_names_no_record() -> None:
    shop = Shop()
    async with shop.client() as client:
        await client.post("/chat")
        shop.desk.sink.broken = AuditError("the audit log cannot be written")
        told = [await client.post("/chat"), await client.request("post", "/chat"), await client.post("/%2e%2e/chat")]
    assert {answer.status_code for answer in told} <= {400, 404, 503}
    assert told[0].status_code == 503
    assert [answer.json().get("instance") for answer in told] == [None] * 3
    assert "urn:authguard:record" not in "".join(answer.text for answer in told)


async def test_a_bad_token_is_an_invalid_token_and_all_bad_tokens_look_alike() -> None:
    shop = Shop()
    answers = []
    async with shop.client() as client:
        for reason in (Reason.SIGNATURE_INVALID, Reason.AUDIENCE_WRONG, Reason.KEY_UNKNOWN, Reason.ISSUER_UNKNOWN):
            shop.desk.check.known[b"Bearer bad"] = NotProven("rejected", reason)
            answers.append(await client.post("/chat", headers=bearer(b"Bearer bad")))
    for answer in answers:
        assert_problem(answer, 401, "challenge", "authenticate")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    alike = {(answer.text.replace(answer.json()["instance"], ""), str(answer.headers)) for answer in answers}
    assert len(alike) == 1


async def test_an_outage_is_503_with_retry_after_and_never_invalid_token() -> None:
    shop = Shop()
    shop.desk.check.known[b"Bearer x"] = NotProven("unproven", Reason.KEYS_UNREACHABLE)
    async with shop.client() as client:
        answer = await client.post("/chat", headers=bearer(b"Bearer x"))
    assert_problem(answer, 503, "retry", "retry")
    assert answer.headers["retry-after"] == "30"
    assert "www-authenticate" not in answer.headers


async def test_a_missing_scope_names_all_that_the_operation_needs() -> None:
    shop = Shop()
    token = shop.desk.login(token_scopes=frozenset({"other"}))
    async with shop.client() as client:
        answer = await client.post("/chat", headers=bearer(token))
    assert_problem(answer, 403, "deny", "stop")
    assert answer.headers["www-authenticate"] == 'Bearer realm="test-desk", error="insufficient_scope", scope="chat"'


async def test_a_weak_sign_in_is_told_what_to_come_back_with() -> None:
    shop = Shop()
    await shop.desk.ask("balance", shop.desk.login(), method="GET")
    weak = shop.desk.login(acr="aal1")
    async with shop.client() as client:
        answer = await client.post("/orders/7/refund", json=REFUND, headers=bearer(weak))
    body = assert_problem(answer, 401, "step_up", "authenticate")
    assert body["next"] == {"action": "authenticate", "acr_values": "aal2 urn:example:2fa", "max_age": 300}
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'acr_values="aal2 urn:example:2fa", max_age="300"' in challenge


async def test_an_admitted_app_sees_who_speaks_and_none_of_the_guards_own_headers() -> None:
    shop = Shop()
    headers = {**bearer(shop.desk.login()), "Authguard-Outcome": "allow", "Authguard-Anything": "x"}
    async with shop.client() as client:
        seen = (await client.post("/chat", content="hello", headers=headers)).json()
    assert seen["said"] == "hello"
    assert seen["user"] == "https%3A%2F%2Fissuer.test:alice"
    assert seen["authenticated"] is True
    assert seen["scopes"] == ["accounts", "chat", "refunds"]
    assert seen["outcome"] == "allow"
    assert seen["states"]["session"] == "active"
    assert seen["own"] == []
    assert "chat" in seen["briefing"]


async def test_starlettes_requires_works_with_the_guards_scopes() -> None:
    shop = Shop()
    async with shop.client() as client:
        assert (await client.get("/balance", headers=bearer(shop.desk.login()))).status_code == 403
        admin = shop.desk.login(token_scopes=frozenset({"accounts", "admin"}))
        assert (await client.get("/balance", headers=bearer(admin))).status_code == 200


async def test_a_restricted_answer_says_so() -> None:
    shop = Shop()
    token = shop.desk.login(claims={"account_status": "locked"})
    async with shop.client() as client:
        answer = await client.post("/chat", content="x", headers=bearer(token))
    assert answer.status_code == 200
    assert answer.headers["authguard-outcome"] == "restrict"
    assert answer.json()["scopes"] == ["accounts", "chat"]


async def test_a_refund_runs_and_its_repeat_gets_the_first_answer_byte_for_byte() -> None:
    shop = Shop()
    shop.answer = Response(b'{"refunded":  true}', 201, media_type="application/json")
    headers = {**bearer(shop.desk.login()), "Idempotency-Key": "k1"}
    async with shop.client() as client:
        first = await client.post("/orders/7/refund", json=REFUND, headers=headers)
        again = await client.post("/orders/7/refund", json=REFUND, headers=headers)
    assert (first.status_code, first.content) == (201, b'{"refunded":  true}')
    assert (again.status_code, again.content) == (201, b'{"refunded":  true}')
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert shop.runs == ["refund"]


async def test_a_streamed_answer_settles_its_refund_when_it_ends() -> None:
    shop = Shop()
    shop.answer = StreamingResponse(iter([b"a", b"b"]), media_type="text/plain")
    headers = {**bearer(shop.desk.login()), "Idempotency-Key": "k1"}
    async with shop.client() as client:
        assert (await client.post("/orders/7/refund", json=REFUND, headers=headers)).content == b"ab"
        assert (await client.post("/orders/7/refund", json=REFUND, headers=headers)).content == b"ab"
    assert shop.runs == ["refund"]


async def test_an_answer_too_large_to_keep_is_told_by_its_status() -> None:
    shop = Shop()
    shop.answer = Response(b"x" * 70_000)
    headers = {**bearer(shop.desk.login()), "Idempotency-Key": "k1"}
    async with shop.client() as client:
        assert len((await client.post("/orders/7/refund", json=REFUND, headers=headers)).content) == 70_000
        again = await client.post("/orders/7/refund", json=REFUND, headers=headers)
    assert again.json()["outcome"] == "repeat"
    assert shop.runs == ["refund"]


@pytest.mark.parametrize("answer", [RuntimeError("x"), Response(status_code=500), Response(status_code=302)])
async def test_a_refund_of_which_nobody_knows_whether_it_ran_goes_to_a_person(answer: Response | Exception) -> None:
    shop = Shop()
    shop.answer = answer
    headers = {**bearer(shop.desk.login()), "Idempotency-Key": "k1"}
    async with shop.client() as client:
        if isinstance(answer, Exception):
            with pytest.raises(RuntimeError):
                await client.post("/orders/7/refund", json=REFUND, headers=headers)
        else:
            await client.post("/orders/7/refund", json=REFUND, headers=headers)
        shop.answer = JSONResponse({})
        again = await client.post("/orders/7/refund", json=REFUND, headers=headers)
    body = assert_problem(again, 403, "handoff", "talk_to_person")
    assert body["next"]["queue"] == "identity"
    assert body["next"]["ticket"]
    assert shop.runs == ["refund"]


async def test_a_refund_over_the_limit_waits_and_its_address_can_be_polled_by_its_owner_alone() -> None:
    shop = Shop()
    headers = {**bearer(shop.desk.login()), "Idempotency-Key": "k1"}
    async with shop.client() as client:
        held = await client.post("/orders/7/refund", json={"amount": 501, "currency": "EUR"}, headers=headers)
        assert_problem(held, 202, "hold", "wait")
        address = held.headers["location"]
        mine = await client.get(address, headers=headers)
        foreign = await client.get(address, headers=bearer(shop.desk.login("mallory")))
        missing = await client.get("/.authguard/transactions/none", headers=bearer(shop.desk.login("mallory")))
    assert mine.json() == {"transaction": held.json()["next"]["transaction"], "operation": "refund", "state": "held"}
    assert foreign.status_code == missing.status_code == 404
    strip = [answer.text.replace(answer.json()["instance"], "") for answer in (foreign, missing)]
    assert strip[0] == strip[1]
    assert [entry.reason for entry in shop.desk.sink.of(RefusalEntry)] == ["transaction-unknown"] * 2  # type: ignore[union-attr]
    assert shop.runs == []


async def test_the_guards_own_endpoints_walk_through_the_same_table() -> None:
    shop = Shop()
    headers = bearer(shop.desk.login())
    async with shop.client() as client:
        assert (await client.get("/.authguard/healthz")).json() == {"status": "ok"}
        assert (await client.get("/.authguard/session")).status_code == 401
        own = (await client.get("/.authguard/session", headers=headers)).json()
        assert own["signed_in"] is True
        assert own["operations"]["chat"] == "now"
        assert (await client.post("/.authguard/session/end", headers=headers)).json() == {"ended": True}
        ended = await client.post("/chat", headers=headers)
        assert_problem(ended, 401, "terminate", "authenticate")
        assert (await client.get("/.authguard/nothing", headers=headers)).status_code == 401


async def test_the_standing_never_tells_the_accounts_state() -> None:
    shop = Shop()
    bodies = []
    async with shop.client() as client:
        for status in ("locked", "frozen", "never heard of"):
            token = shop.desk.login(status.replace(" ", ""), claims={"account_status": status})
            bodies.append((await client.get("/.authguard/session", headers=bearer(token))).content)
    assert len(set(bodies)) == 1


async def test_an_app_may_report_and_require() -> None:
    shop = Shop()
    headers = bearer(shop.desk.login())
    async with shop.client() as client:
        lacking = await client.post("/chat", content="require chat gold", headers=headers)
        assert lacking.status_code == 403
        assert 'scope="chat gold"' in lacking.headers["www-authenticate"]
        reported = await client.post("/chat", content="report verification.doubted", headers=headers)
        assert reported.json()["states"]["verification"] == "ambiguous"
        answer = await client.get("/balance", headers=headers)
    assert_problem(answer, 403, "verify", "verify")["next"]["methods"] = ["alternate"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], 400),
        ([("Idempotency-Key", "a"), ("Idempotency-Key", "b")], 400),
        ([("Idempotency-Key", "a b")], 400),
        ([("Idempotency-Key", "x" * 256)], 400),
        ([("Authguard-Transaction", "")], 400),
    ],
)
async def test_a_malformed_request_is_refused_recorded_and_never_reaches_the_app(
    headers: list[tuple[str, str]], status: int
) -> None:
    shop = Shop()
    async with shop.client() as client:
        answer = await client.get("/healthz", headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(shop.desk.sink.of(RefusalEntry)) == 1
    assert shop.runs == []


async def test_a_body_that_is_too_large_is_refused_by_its_length_and_by_its_bytes() -> None:
    shop = Shop()
    headers = {**bearer(shop.desk.login()), "Idempotency-Key": "k"}

    async def drip() -> Any:
        for _ in range(20):
            yield b"x" * 65_536

    async with shop.client() as client:
        declared = await client.post("/orders/7/refund", content=b"x" * 1_100_000, headers=headers)
        streamed = await client.post("/orders/7/refund", content=drip(), headers=headers)
    assert (declared.status_code, streamed.status_code) == (413, 413)
    assert shop.runs == []


async def test_a_body_is_not_read_of_somebody_who_proves_nothing() -> None:
    shop = Shop()
    pulled = []

    async def drip() -> Any:
        pulled.append(1)
        yield b"x"

    async with shop.client() as client:
        answer = await client.post("/orders/7/refund", content=drip())
    assert answer.status_code == 401
    assert pulled == []


async def test_a_body_that_does_not_arrive_is_the_callers_fault_and_not_the_guards() -> None:
    shop = Shop(POLICY + "budget: {request: 50ms, body: 1MiB}\n")
    headers = {**bearer(shop.desk.login()), "Idempotency-Key": "k"}
    sent = await talk(shop, "/orders/7/refund", headers, [{"type": "http.request", "body": b"{", "more_body": True}])
    assert sent[0]["status"] == 408
    cut = await talk(shop, "/orders/7/refund", headers, [{"type": "http.disconnect"}])
    assert cut[0]["status"] == 400
    verdict = await shop.desk.ask("health", method="GET")
    assert verdict.snapshot.service.state == "live"


async def test_no_request_passes_by_its_shape_and_a_preflight_is_an_options_like_any_other() -> None:
    shop = Shop()
    preflight = {"Origin": "https://a.test", "Access-Control-Request-Method": "POST"}
    async with shop.client() as client:
        assert (await client.options("/export", headers=preflight)).status_code == 401
        assert (await client.options("/chat", headers={"Origin": "https://a.test"})).status_code == 404
        assert (await client.post("/chat", headers=preflight)).status_code == 401
    assert len(shop.desk.sink.of(DecisionEntry)) == 2
    assert len(shop.desk.sink.of(RefusalEntry)) == 1
    assert not shop.runs


@pytest.mark.parametrize("method", ["post", "WEBSOCKET\n", "websocket", "Post", "P0ST", ""])
async def test_a_method_that_a_framework_may_write_otherwise_is_malformed_and_recorded(method: str) -> None:
    shop = Shop()
    async with shop.client() as client:
        await client.get("/healthz")  # opens the log
    sent = await talk(shop, "/chat", bearer(shop.desk.login()), [], method)
    assert sent[0]["status"] == 400
    assert shop.runs == ["healthz"]
    assert [entry.reason for entry in shop.desk.sink.entries if isinstance(entry, RefusalEntry)] == [
        "request-malformed"
    ]


async def test_a_head_request_is_the_get_and_a_refusal_of_it_has_no_body() -> None:
    shop = Shop()
    async with shop.client() as client:
        answer = await client.head("/balance")
    assert answer.status_code == 401
    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 0


async def test_an_unnamed_operation_is_refused_until_identity_is_proven() -> None:
    shop = Shop()
    async with shop.client() as client:
        weak = await client.get("/stream", headers=bearer(shop.desk.login(acr="aal1")))
        strong = await client.get("/stream", headers=bearer(shop.desk.login("bob")))
    assert_problem(weak, 403, "verify", "verify")
    assert strong.text == "data: one\n\ndata: two\n\n"


async def test_the_words_come_in_the_callers_language() -> None:
    words = """
fallbacks:
  sign_in: {kind: challenge, message: {default: "Please sign in.", de: {default: "Bitte melden Sie sich an."}}}
"""
    shop = Shop(POLICY + words)
    async with shop.client() as client:
        for accepted, said in (
            ("de-AT, en;q=0.5", "Bitte melden Sie sich an."),
            ("en, de;q=0.1", "Bitte melden Sie sich an."),
            ("fr", "Please sign in."),
            ("de;q=0", "Please sign in."),
            ("*;;;q=x,\x01", "Please sign in."),
        ):
            answer = await client.post("/chat", headers={"Accept-Language": accepted})
            assert answer.json()["detail"] == said, accepted


def test_a_websocket_without_a_token_gets_a_real_401_where_the_server_can() -> None:
    shop = Shop()
    with TestClient(shop.app) as client, pytest.raises(WebSocketDenialResponse) as denied:
        client.websocket_connect("/live").__enter__()
    assert denied.value.status_code == 401
    assert denied.value.headers["www-authenticate"].startswith("Bearer")
    assert shop.runs == []


def test_a_websocket_with_a_good_token_is_the_customers() -> None:
    shop = Shop()
    headers = bearer(shop.desk.login())
    with TestClient(shop.app) as client, client.websocket_connect("/live", headers=headers) as socket:
        assert socket.receive_json() == {"user": "https%3A%2F%2Fissuer.test:alice"}


async def test_a_websocket_is_closed_where_the_server_offers_no_denial() -> None:
    shop = Shop()
    sent: list[dict[str, Any]] = []
    scope = {"type": "websocket", "path": "/live", "headers": [], "query_string": b"", "root_path": ""}

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await shop.app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 3000, "reason": "challenge"}]


def test_a_websocket_that_nobody_named_falls_to_otherwise() -> None:
    shop = Shop()
    with TestClient(shop.app) as client, pytest.raises((WebSocketDenialResponse, WebSocketDisconnect)):
        client.websocket_connect("/unnamed").__enter__()
    assert shop.runs == []


async def test_other_scope_types_are_refused() -> None:
    shop = Shop()
    with pytest.raises(AuthguardError):
        await shop.app({"type": "telepathy"}, None, None)  # type: ignore[arg-type]


def test_lifespan_opens_the_guard_before_the_app_and_closes_it_after() -> None:
    shop = Shop()
    with TestClient(shop.app):
        assert [entry.act for entry in shop.desk.sink.entries] == ["started"]  # type: ignore[union-attr]
    assert [entry.act for entry in shop.desk.sink.entries] == ["started", "stopped"]  # type: ignore[union-attr]


async def test_the_guard_has_closed_before_the_server_hears_that_the_app_has_stopped() -> None:
    shop = Shop()
    heard: dict[str, str] = {}
    messages = iter(("startup", "shutdown"))

    async def receive() -> dict[str, Any]:
        return {"type": f"lifespan.{next(messages)}"}

    async def send(message: Any) -> None:
        heard[message["type"]] = shop.desk.sink.entries[-1].act  # type: ignore[union-attr]

    await shop.app({"type": "lifespan", "state": {}}, receive, send)
    assert heard == {"lifespan.startup.complete": "started", "lifespan.shutdown.complete": "stopped"}


async def test_a_guard_that_cannot_open_fails_the_start_up() -> None:
    shop = Shop()
    shop.desk.sink.broken = AuditError("the audit log cannot be written")
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(AuditError):
        await shop.app({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]


def test_starlettes_test_client_hears_that_the_guard_cannot_open() -> None:
    shop = Shop()
    shop.desk.sink.broken = AuditError("the audit log cannot be written")
    with pytest.raises(AuditError), TestClient(shop.app):
        pytest.fail("the app was served")


async def talk(
    shop: Shop, path: str, headers: dict[str, str], messages: list[dict[str, Any]], method: str = "POST"
) -> list[dict[str, Any]]:
    """Run the ASGI protocol without a client; after the messages, receive blocks."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": raw,
    }
    await shop.app(scope, receive, send)
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"authorization", "credential-ambiguous"),
        (b"idempotency-key", "request-malformed"),
    ],
)
async def test_a_request_that_is_malformed_can_be_found_by_its_trace(kind: str, header: bytes, reason: str) -> None:
    shop = Shop()
    trace = b"4bf92f3577b34da6a3ce929d0e0e4736"
    headers = [(header, b"x"), (header, b"y"), (b"traceparent", b"00-" + trace + b"-00f067aa0ba902b7-01")]
    scope = {
        "type": kind,
        "method": "POST",
        "path": "/chat",
        "raw_path": b"/chat",
        "query_string": b"",
        "root_path": "",
    }

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(_: Any) -> None:
        """Discard the response."""

    await shop.app(scope | {"headers": headers}, receive, send)
    refused = [entry for entry in shop.desk.sink.entries if isinstance(entry, RefusalEntry)]
    assert [(entry.reason, entry.trace_id) for entry in refused] == [(reason, trace.decode())]


NAMES = st.sampled_from(
    [
        b"authorization",
        b"authguard-transaction",
        b"idempotency-key",
        b"accept-language",
        b"traceparent",
        b"content-length",
    ]
)
HEADERS = st.lists(st.tuples(NAMES | st.binary(max_size=20), st.binary(max_size=100)), max_size=12)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=st.sampled_from(["GET", "POST", "OPTIONS", "get", "", "X" * 50]),
    path=st.text(max_size=40) | st.sampled_from(["/chat", "/orders/1/refund", "/.authguard/session", "/live"]),
    query=st.binary(max_size=40),
    headers=HEADERS,
    body=st.binary(max_size=60) | st.just(json.dumps(REFUND).encode()),
    signed=st.booleans(),
    kind=st.sampled_from(["http", "websocket"]),
)
async def test_whatever_comes_there_is_one_defined_answer_and_the_app_runs_only_when_admitted(
    method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes, *, signed: bool, kind: str
) -> None:
    shop = Shop()
    if signed:
        headers = [*headers, (b"authorization", shop.desk.login())]
    scope: dict[str, Any] = {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": None,
    }
    messages = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]
    if kind == "websocket":
        messages = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:
        sent.append(message)

    await shop.app(scope, receive, send)
    assert sent
    status = sent[0].get("status", 403)
    assert status < 500 or status == 503
    admitted = [entry for entry in shop.desk.sink.of(DecisionEntry) if entry.outcome in {"allow", "restrict"}]
    assert not shop.runs or admitted
    decided = len(shop.desk.sink.of(DecisionEntry)) + len(shop.desk.sink.of(RefusalEntry))
    assert decided == 1
