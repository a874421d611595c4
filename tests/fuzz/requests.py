"""Requests that no client would send: bytes, made by Hypothesis from the pieces that parsers disagree about."""

from __future__ import annotations

from hypothesis import strategies as st


def words(text: str, *more: bytes) -> list[bytes]:
    r"""Give the words of a text as bytes, ``\xff`` and the like read as Python does, and those that no text shows."""
    return [word.encode("latin-1") for word in text.encode("ascii").decode("unicode_escape").split(" ")] + list(more)


METHODS = st.sampled_from(
    words(
        r"GET POST GET POST GET POST HEAD HEAD HEAD PUT DELETE PATCH OPTIONS TRACE CONNECT BREW get Post PRI POST\x00",
        b"",
        b"GE T",
    )
)
SEGMENTS = st.sampled_from(
    words(
        r"chat chat orders 7 refund files shop items live healthz hidden Chat CHAT . .. %2e %2e%2e %2E%2E %2F %2f %5c"
        r" \\ c%68at %00 %0a chat%0A %0d%0a %25 %252f % %zz %ff %C3%A9 \xc3\xa9 \xff chat;x=1 ; :path {order_id} ~ *"
        r" .authguard session api",
        *(b"", b"a b", b"\t", b"\x00"),
    )
)
#: the templates as they are, so that many requests come near an operation
NEAR = st.sampled_from(
    words(
        "/healthz /chat /chat /chat /orders/7 /orders/7/refund /files/a/b /shop/items/7 /hidden /live/a"
        " /.authguard/session /.authguard/healthz /.authguard/session/end"
    )
)
BEFORE = st.sampled_from(words("/ /. /%2e /api /api/api /shop http://agent.test x", *[b""] * 5))
AFTER = st.sampled_from(words(r"/ // %2f /.. ?a=/chat #x ;x %20 \x0b %0a %00 %0d%0a /%2e%2e", *[b""] * 8))
ENCODED = st.sampled_from(
    words("/c%68at /%63hat /orders/%37 /orders%2f7 /shop%2Fitems/7 /shop/items/%2e /files/%2e%2e/chat")
)
#: what a second decoding would make something else of
TWICE = st.sampled_from(words("/c%2568at /%2563hat /hidde%256e /orders%252f7 /orders/7%252frefund /files%252fa"))
SLASHED = NEAR.map(lambda path: path + b"/")
PATHS = st.one_of(
    TWICE,
    SLASHED,
    st.tuples(BEFORE, NEAR, AFTER).map(b"".join),
    st.tuples(NEAR, AFTER).map(b"".join),
    ENCODED,
    st.lists(SEGMENTS, max_size=5).map(lambda parts: b"/" + b"/".join(parts)),
    st.sampled_from(words("* agent.test:443 http://agent.test //agent.test/chat", b"", b"/" + b"a" * 70_000)),
)
NAMES = st.sampled_from(
    words(
        "X-HTTP-Method-Override X-Method-Override X-Original-URL X-Rewrite-URL X-Forwarded-Prefix X-Forwarded-For"
        " Forwarded Host Origin Access-Control-Request-Method Idempotency-Key Authguard-Transaction authguard-outcome"
        " AUTHGUARD-X traceparent Accept-Language Cookie Content-Type Expect Connection Upgrade Transfer-Encoding"
        " Content-Length TE X-Report X:Y",
        *(b"X\xff", b"X Y", b"", b" Authorization", b"Authorization "),
    )
)
TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
VALUES = st.one_of(
    st.sampled_from(
        words(
            "GET POST /chat /healthz k1 * 0 5 -1 +5 0x5 chunked x close keep-alive websocket h2c 100-continue"
            ' session.ended application/json verification.doubted "',
            *(b"", b"5, 5", b"identity, chunked", b"\xff\xfe", b"\x00", b"a\x0bb", b"a\r\n folded", b"a\nInjected: 1"),
            *(b"a" * 9_000, b"a" * 70_000, TRACE),
        )
    ),
    st.binary(max_size=12),
)
GOOD = b"Authorization: Bearer {good}\r\n"
#: `{good}` and `{other}` are tokens; the rest is nobody's
CREDENTIALS = st.sampled_from(
    [
        *[GOOD] * 8,
        b"authorization: bearer {good}\r\n",
        b"Authorization: Bearer  {good} \r\n",
        b"Authorization: Bearer {good}x\r\n",
        b"Authorization: Bearer {good}\r\nAuthorization: Bearer {other}\r\n",
        b"Authorization: Bearer {good}, x\r\n",
        b"Authorization: Basic {good}\r\n",
        b"Authorization: Bearer\r\n",
        b"Authorization: Bearer a.b.c\r\n",
        b"Authorization: Bearer " + b"a" * 20_000 + b"\r\n",
        b"Authorization: Bearer \xff{good}\r\n",
        b"Authorization: Bearer {other}\r\n",
        b"Authorization: Bearer \x00\r\n",
        b"Authorization:\r\n",
        b"",
    ]
)
LAST = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
ORDER = b'{"amount": 5, "currency": "EUR"}'
SMUGGLED = b"GET /hidden HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {good}\r\n\r\n"
BODIES = st.sampled_from(
    [
        *(b"", b"", b"hello", b"{", b"\xff" * 99, b"a" * 70_000, SMUGGLED),
        ORDER,
        b'{"amount": 5, "amount": 9, "currency": "EUR"}',
    ]
)
EXACT = b"Content-Length: {size}\r\n\r\n{body}"
#: how the length of a body is told: rightly, wrongly, twice, or not at all
FRAMES = st.sampled_from(
    [
        EXACT,
        b"\r\n{body}",
        b"Content-Length: {more}\r\n\r\n{body}",
        b"Content-Length: {less}\r\n\r\n{body}",
        b"Content-Length: {size}\r\nContent-Length: 0\r\n\r\n{body}",
        b"Content-Length: 99999999999999999999\r\n\r\n{body}",
        b"Transfer-Encoding: chunked\r\n\r\n{hex}\r\n{body}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n{hex}\r\n{body}\r\nzz\r\n",
        b"Content-Length: {size}\r\nTransfer-Encoding: chunked\r\n\r\n{hex}\r\n{body}\r\n0\r\n\r\n",
    ]
)


def framed(frame: bytes, body: bytes) -> bytes:
    """Put a body and its length into a frame."""
    size = len(body)
    numbers = {b"{size}": b"%d" % size, b"{more}": b"%d" % (size + 5), b"{less}": b"%d" % max(0, size - 3)}
    for name, value in (numbers | {b"{hex}": b"%x" % size, b"{body}": body}).items():
        frame = frame.replace(name, value)
    return frame


#: what some frameworks take for the method, under each of its names
OVERRIDES = st.sampled_from(words("GET POST GET POST HEAD")).map(
    lambda method: b"X-HTTP-Method-Override: %b\r\nX-HTTP-Method: %b\r\nX-Method-Override: %b\r\n" % ((method,) * 3)
)
#: a pre-flight has both
ASKED = st.sampled_from(words("Origin:a Access-Control-Request-Method:POST"))
PARTS = ["method", "path", "version", "host", "headers", "body", "override", "preflight", *["credential"] * 3]
ODD = st.lists(st.sampled_from(PARTS), max_size=3).map(frozenset)
PLAIN_METHODS = st.sampled_from([b"GET", b"POST"])
VERSIONS = st.sampled_from(words("HTTP/1.0 HTTP/2.0 HTTP/0.9 http/1.1", b""))
HOSTS = st.sampled_from([b"", b"Host: a\r\nHost: b\r\n", b"Host: \xff\r\n"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request, of which a few parts are odd: all of them at once would get no further than the server."""
    odd = draw(ODD)
    method = draw(METHODS if "method" in odd else PLAIN_METHODS)
    path = draw(PATHS if "path" in odd else NEAR)
    version = draw(VERSIONS) if "version" in odd else b"HTTP/1.1"
    host = draw(HOSTS) if "host" in odd else b"Host: agent.test\r\n"
    credential = draw(CREDENTIALS) if "credential" in odd else GOOD
    number = draw(st.integers(1, 3)) if "headers" in odd else 0
    headers = b"".join(b"%b: %b\r\n" % (draw(NAMES), draw(VALUES)) for _ in range(number))
    if "override" in odd:
        headers += draw(OVERRIDES)
    if "preflight" in odd:
        method = b"OPTIONS"
        headers += b"".join(line + b"\r\n" for line in draw(st.lists(ASKED, max_size=2)))
    rest = (
        framed(draw(FRAMES), draw(BODIES)) if "body" in odd else b"\r\n" if method == b"GET" else framed(EXACT, ORDER)
    )
    return b" ".join([method, path, version]) + b"\r\n" + host + credential + headers + rest


#: several requests down one connection, the last of which ends it where it is understood
STREAMS = st.lists(requests(), min_size=1, max_size=3).map(lambda sent: b"".join(sent) + LAST)


EXTRAS = [
    b"Sec-WebSocket-Protocol: a, b\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
    b"Origin: http://evil.test\r\n",
    b"Authguard-Transaction: x\r\n",
    b"Sec-WebSocket-Key: y\r\n",
]


@st.composite
def handshakes(draw: st.DrawFn) -> bytes:
    """One handshake of a WebSocket, more or less."""
    path = draw(st.one_of(st.sampled_from([b"/live/a", b"/live/a/", b"/live/", b"/LIVE/a", b"/live/%2e%2e"]), PATHS))
    key = draw(st.sampled_from([b"dGhlIHNhbXBsZSBub25jZQ=="] * 4 + [b"", b"x", b"\xff"]))
    more = b"".join(draw(st.lists(st.sampled_from(EXTRAS), max_size=2)))
    version = draw(st.sampled_from([b"13", b"13", b"13", b"8", b"x"]))
    upgrade = draw(st.sampled_from([b"websocket", b"websocket", b"WebSocket", b"h2c", b"websocket, h2c"]))
    lines = b"GET %b HTTP/1.1\r\nHost: a\r\nUpgrade: %b\r\nConnection: Upgrade\r\n" % (path, upgrade)
    frame = draw(st.sampled_from([b"", b"\x81\x00", b"\x88\x80\x00\x00\x00\x00", b"\xff" * 40]))
    socket = b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: %b\r\n" % (key, version)
    return lines + draw(CREDENTIALS) + socket + more + b"\r\n" + frame + LAST
