"""Variants of one request: each must match the same operation with its limits, or move no money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.bypass.app import OVERRIDES

UPGRADE: Final = (
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"sec-websocket-version", b"13"),
)
PREFLIGHT: Final = ((b"origin", b"https://evil.test"), (b"access-control-request-method", b"POST"))


@dataclass(frozen=True)
class Way:
    """One way of asking.

    Attributes:
        words: what the attacker does.
        target: of the request line, as sent.
        means: the operation that it is, whose limits hold; empty where it reaches nothing that moves money.
        method: of the request line.
        headers: beside those that every request has.
        servers: whether servers read the target differently, so that it may be either.
    """

    words: str
    target: bytes
    means: str = ""
    method: bytes = b"POST"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    servers: bool = False


WAYS: Final = (
    Way("asks plainly", b"/orders/7/refund", "refund"),
    # the same by another spelling of the path (RFC 3986 6.2.2)
    Way("encodes the order", b"/orders/%37/refund", "refund"),
    Way("encodes a letter", b"/orders/7/%72efund", "refund"),
    Way("encodes a letter in capitals", b"/%6F%72ders/7/refund", "refund"),
    Way("encodes a slash", b"/orders/7%2frefund", "refund"),
    Way("encodes every slash but the first", b"/orders%2F7%2Frefund", "refund"),
    Way("encodes twice", b"/orders/7/%2572efund"),
    Way("encodes a slash twice", b"/orders/7%252frefund"),
    Way("encodes a dot as the order", b"/orders/%2e/refund", "refund"),
    Way("encodes two dots as the order", b"/orders/%2e%2e/refund", "refund"),
    Way("goes by dots from what is open", b"/files/../orders/7/refund"),
    Way("goes by encoded dots from what is open", b"/files/%2e%2e/orders/7/refund"),
    Way("stays where it is by a dot", b"/orders/7/./refund"),
    Way("goes down and up", b"/orders/7/x/../refund"),
    Way("begins with a dot", b"/./orders/7/refund"),
    Way("writes a slash in too many bytes", b"/orders/7%c0%afrefund"),
    Way("writes a letter in too many bytes", b"/orders/7/%c1%b2efund"),
    Way("writes a dot in too many bytes", b"/files/%c0%ae%c0%ae/orders/7/refund"),
    Way("writes what is no UTF-8", b"/orders/%ff/refund", "refund"),
    Way("adds a slash, which is the same operation and is redirected", b"/orders/7/refund/", servers=True),
    Way("adds two slashes", b"/orders/7/refund//"),
    Way("adds an encoded slash", b"/orders/7/refund%2f", servers=True),
    Way("begins with two slashes", b"//orders/7/refund", servers=True),
    Way("doubles a slash", b"/orders//7/refund"),
    Way("doubles the last slash", b"/orders/7//refund"),
    Way("writes capitals", b"/Orders/7/Refund"),
    Way("writes one capital", b"/orders/7/refunD"),
    Way("adds a parameter to the order", b"/orders/7;x=1/refund", "refund"),
    Way("adds a parameter to the last segment", b"/orders/7/refund;x=1"),
    Way("adds an encoded parameter", b"/orders/7/refund%3bx=1"),
    Way("writes backslashes", b"/orders\\7\\refund"),
    Way("encodes a backslash", b"/orders%5c7%5crefund"),
    Way("adds a NUL", b"/orders/7/refund%00"),
    Way("adds a line feed, before which a router's dollar matches", b"/orders/7/refund%0a"),
    Way("adds a blank", b"/orders/7/refund%20"),
    Way("adds a fragment", b"/orders/7/refund#x", servers=True),
    Way("adds an encoded question mark", b"/orders/7/refund%3fx"),
    Way("adds a query", b"/orders/7/refund?path=/healthz", "refund"),
    Way("names the whole address", b"http://agent.test/orders/7/refund", servers=True),
    Way("names another host's address", b"http://evil.test/orders/7/refund", servers=True),
    Way("names the host in the path", b"//agent.test/orders/7/refund", servers=True),
    Way("encodes an open path in front", b"/healthz%2f..%2forders/7/refund"),
    # the same by another method (RFC 9110 9)
    *(
        Way(f"asks by {method.decode()}", b"/orders/7/refund", method=method)
        for method in (b"GET", b"HEAD", b"PUT", b"PATCH", b"OPTIONS")
    ),
    Way("writes the method in small letters", b"/orders/7/refund", method=b"post", servers=True),
    Way("says the method in the query", b"/orders/7/refund?_method=POST", method=b"GET"),
    Way("says another method in the query", b"/orders/7/refund?_method=GET", "refund"),
    *(
        Way(f"has {name.decode()} change the method", b"/orders/7/refund", method=b"GET", headers=((name, b"POST"),))
        for name in OVERRIDES
    ),
    *(
        Way(
            f"has {name.decode()} change a pre-flight",
            b"/orders/7/refund",
            method=b"OPTIONS",
            headers=(*PREFLIGHT, (name, b"POST")),
        )
        for name in OVERRIDES
    ),
    Way("has a read changed", b"/orders/7", method=b"GET", headers=((OVERRIDES[0], b"POST"),)),
    Way("has its own method changed", b"/orders/7/refund", "refund", headers=((OVERRIDES[0], b"GET"),)),
    Way("asks as a pre-flight", b"/orders/7/refund", method=b"OPTIONS", headers=PREFLIGHT),
    # the same by a header that some proxies believe
    *(
        Way(f"names the path in {name.decode()}", b"/healthz", method=b"GET", headers=((name, b"/orders/7/refund"),))
        for name in (b"x-original-url", b"x-rewrite-url", b"x-forwarded-uri", b"x-forwarded-prefix")
    ),
    Way(
        "names an open path in x-original-url",
        b"/orders/7/refund",
        "refund",
        headers=((b"x-original-url", b"/healthz"),),
    ),
    # the same by another way in
    Way("buys in a mounted app", b"/shop/buy/7", "buy"),
    Way("buys by an encoded slash into a mounted app", b"/shop%2fbuy/7", "buy"),
    Way("buys by two slashes into a mounted app", b"/shop//buy/7"),
    Way("buys with a slash behind", b"/shop/buy/7/", "buy", servers=True),
    Way("asks for the mounted app alone", b"/shop"),
    Way("goes out of a mounted app by dots", b"/shop/../orders/7/refund"),
    Way("pays by a path that takes anything", b"/pay/orders/7/refund", "pay"),
    Way("pays by dots in a path that takes anything", b"/pay/../healthz", "pay"),
    Way("pays by a path that takes nothing", b"/pay/", "pay"),
    Way("pays by slashes in a path that takes anything", b"/pay//x/", "pay"),
    Way("opens a WebSocket on the same path", b"/orders/7/refund", method=b"GET", headers=UPGRADE),
)
#: the same under a root path, of which app and guard have to take the same off
ROOTED: Final = (
    Way("asks under the root path", b"/api/orders/7/refund", servers=True),
    Way("asks beside the root path", b"/orders/7/refund", servers=True),
    Way("names the root path twice", b"/api/api/orders/7/refund", servers=True),
    Way("begins as the root path does", b"/apiorders/7/refund"),
    Way("doubles the slash behind the root path", b"/api//orders/7/refund"),
    Way("encodes the root path", b"/%61pi/orders/7/refund", servers=True),
    Way("leaves the root path by dots", b"/api/../orders/7/refund"),
    Way("buys in a mounted app", b"/api/shop/buy/7", "buy", servers=True),
    Way("buys beside the root path", b"/shop/buy/7", "buy", servers=True),
    Way("names the root path in the mounted app", b"/api/shop/api/buy/7"),
)
