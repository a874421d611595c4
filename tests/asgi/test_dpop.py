"""The URL of a proof is the public one, whatever `Host` the caller sends; the nonce is added to the response."""

from __future__ import annotations

from typing import Any

import pytest

from authguard.asgi.dpop import ProofReader, with_nonce
from authguard.core.outcomes import Fallback, Outcome, Reason
from authguard.core.request import Evidence, Operation, Principal, Proven
from authguard.core.snapshot import Keys, blank
from authguard.evaluation.decision import Decision, Verdict


def scope(path: str = "/chat", root: str = "", proof: tuple[bytes, ...] = (b"p",), **more: Any) -> dict[str, Any]:
    headers = [(b"host", b"evil.test"), (b"x-forwarded-host", b"evil.test"), *((b"dpop", one) for one in proof)]
    base = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": root}
    return {**base, "headers": headers, **more}


@pytest.mark.parametrize(
    ("public", "path", "root", "address"),
    [
        ("https://shop.test", "/chat", "", "https://shop.test/chat"),
        ("https://shop.test/", "/chat", "", "https://shop.test/chat"),
        ("https://Shop.test:443", "/", "", "https://shop.test/"),
        ("https://shop.test/api", "/chat", "", "https://shop.test/api/chat"),
        ("https://shop.test/api", "/api/chat", "/api", "https://shop.test/api/chat"),
        ("https://shop.test", "/sub/chat", "/sub", "https://shop.test/sub/chat"),
        ("https://shop.test/api", "/apichat", "/api", "https://shop.test/api/apichat"),
        ("https://shop.test", "/caf%C3%A9", "", "https://shop.test/caf%C3%A9"),
        ("https://shop.test", "/broken%", "", ""),
    ],
)
def test_the_address_is_the_public_url_and_the_path(public: str, path: str, root: str, address: str) -> None:
    found = ProofReader(public).read(Evidence(), scope(path, root))
    assert (found.address, found.method, found.proof) == (address, "POST", b"p")


def test_a_server_that_gives_no_raw_path_is_no_obstacle() -> None:
    found = ProofReader("https://shop.test").read(Evidence(), scope("/café é", raw_path=b""))
    assert found.address == "https://shop.test/caf%C3%A9%20%C3%A9"


def test_a_handshake_is_a_get() -> None:
    handshake = scope("/live") | {"type": "websocket"}
    del handshake["method"]
    found = ProofReader("wss://shop.test").read(Evidence(), handshake)
    assert (found.method, found.address) == ("GET", "https://shop.test/live")


def test_several_fields_are_one_list_and_none_is_nothing() -> None:
    reader, evidence = ProofReader("https://shop.test"), Evidence(trace="t")
    assert reader.read(evidence, scope(proof=(b"a", b"b"))).proof == b"a,b"
    assert reader.read(evidence, scope(proof=())) is evidence


def verdict_of(nonce: str, kind: Outcome = Outcome.ALLOW) -> Verdict:
    """Return a verdict with the fields that matter here."""
    decision = Decision(
        operation=Operation(name="chat"),
        fallback=Fallback(name="f", kind=kind),
        reason=Reason.DECIDED,
        snapshot=blank(dict.fromkeys(("service", "account", "session", "verification", "transaction"), "x")),
    )
    credential = Proven(Principal(issuer="i", subject="s"), nonce)
    return Verdict(decision=decision, record="r", credential=credential, keys=Keys())


def test_nothing_is_added_where_no_nonce_changed_or_the_guard_answers_itself() -> None:
    async def send(message: Any) -> None: ...

    assert with_nonce(send, verdict_of("")) is send
    assert with_nonce(send, verdict_of("n1", Outcome.DENY)) is send


@pytest.mark.parametrize("kind", ["http.response.start", "websocket.accept", "websocket.http.response.start"])
async def test_the_next_nonce_is_told_with_the_headers(kind: str) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    telling = with_nonce(send, verdict_of("n1"))
    await telling({"type": kind, "headers": [(b"a", b"b")]})
    await telling({"type": "http.response.body", "body": b"x"})
    assert sent[0]["headers"] == [(b"a", b"b"), (b"dpop-nonce", b"n1")]
    assert sent[1] == {"type": "http.response.body", "body": b"x"}
