"""Methods, targets and hosts that a router may take for another's: each mutation has a name, to read a failure by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.fuzz.requests import words

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

#: what the handlers are for, with the method that each is named by
PLAIN: Final = (
    *[(b"POST", b"/pay")] * 5,
    *[(b"POST", b"/careless")] * 3,
    *[(b"POST", b"/form")] * 2,
    (b"POST", b"/any"),
    (b"POST", b"/orders/7/refund"),
    (b"POST", b"/v1/pay"),
    (b"POST", b"/v1/pay/"),
    (b"POST", b"/shop/buy/7"),
    (b"GET", b"/orders/7"),
    (b"POST", b"/files/a/b"),
    (b"POST", b"/files/pay"),
    (b"POST", b"/chat"),
    *[(b"POST", b"/transfer")] * 3,
    (b"POST", b"/hidden"),
    (b"GET", b"/healthz"),
)
SOCKETS: Final = (b"/live/7", b"/live/7/", b"/wire", b"/wire/", b"/pay", b"/live/..%2f..%2fwire")
#: without those that no operation has, the prefix of the app's own, a mount's, the guard's own
PREFIXES: Final = (
    b"/api",
    b"/api",
    b"/api/api",
    b"/v1",
    b"/shop",
    b"/srv",
    b"/.authguard",
    b"/.",
    b"/;",
    b"/;x=1",
    b"/files",
)
METHODS: Final = words(
    r"GET PUT PATCH DELETE HEAD OPTIONS TRACE CONNECT QUERY BREW PRI post Post pOST get options websocket WebSocket"
    r" WEBSOCKET websocket.connect http HTTP * _POST POST_ P-OST POST- M-SEARCH POST\x0b \x0bPOST POST,GET POST/"
    r" P\xc3\x96ST PO\xc5\xbfT 0 POST' lambda None",
    b"A" * 300,
)
PREFLIGHT: Final = ((b"Origin", b"https://evil.test"), (b"Access-Control-Request-Method", b"POST"))
HOSTS: Final = tuple(
    (b"Host", host)
    for host in words(
        r"agent.test pay.test PAY.test pay.test:80 pay.test. pay.test: agent.test:80:pay.test user@pay.test [::1]"
        r" pay.test/ pay.test# pay.test\\ pay\x00.test pay.test\xff pay.tes%74 x.pay.test"
        " pay.test:80@agent.test 127.0.0.1",
        *(b"", b"agent.test, pay.test", b"agent.test\tpay.test", b" pay.test"),
    )
)


def _place(rng: Random, target: bytes) -> int:
    """Pick a slash."""
    return rng.choice([place for place, byte in enumerate(target) if byte == ord("/")] or [0])


def _at_slash(piece: bytes) -> Callable[[Random, bytes], bytes]:
    """Make what puts a piece in the place of a slash."""

    def mutate(rng: Random, target: bytes) -> bytes:
        place = _place(rng, target)
        return target[:place] + piece + target[place + 1 :]

    return mutate


def _after(piece: bytes) -> Callable[[Random, bytes], bytes]:
    """Make what adds a piece."""
    return lambda _rng, target: target + piece


def _before(piece: bytes) -> Callable[[Random, bytes], bytes]:
    """Make what puts a piece in front."""
    return lambda _rng, target: piece + target


def _at_letter(form: Callable[[int], bytes]) -> Callable[[Random, bytes], bytes]:
    """Make what writes one letter otherwise."""

    def mutate(rng: Random, target: bytes) -> bytes:
        places = [place for place, byte in enumerate(target) if chr(byte).isalnum()]
        if not places:
            return target
        place = rng.choice(places)
        return target[:place] + form(target[place]) + target[place + 1 :]

    return mutate


def _parameter(piece: bytes) -> Callable[[Random, bytes], bytes]:
    """Make what adds a piece to a segment."""

    def mutate(rng: Random, target: bytes) -> bytes:
        segments = target.split(b"/")
        segments[rng.randrange(len(segments))] += piece
        return b"/".join(segments)

    return mutate


def _fullwidth(byte: int) -> bytes:
    return b"".join(b"%%%02x" % each for each in chr(byte + 0xFEE0).encode()) if byte > 0x20 else b"%20"


MUTATIONS: Final[dict[str, Callable[[Random, bytes], bytes]]] = {
    "doubles a slash": _at_slash(b"//"),
    "has three slashes": _at_slash(b"///"),
    "has a dot segment": _at_slash(b"/./"),
    "goes down and up": _at_slash(b"/x/../"),
    "goes up": _at_slash(b"/../"),
    "has an encoded dot": _at_slash(b"/%2e/"),
    "goes down and up, encoded": _at_slash(b"/x/%2e%2E/"),
    "has an empty parameter": _at_slash(b"/;/"),
    "encodes a slash": _at_slash(b"%2f"),
    "encodes a slash in capitals": _at_slash(b"%2F"),
    "adds an encoded slash": _at_slash(b"/%2f"),
    "encodes a slash twice": _at_slash(b"%252f"),
    "writes a backslash": _at_slash(b"\\"),
    "encodes a backslash": _at_slash(b"%5c"),
    "adds a backslash": _at_slash(b"/\\"),
    "writes a slash in too many bytes": _at_slash(b"%c0%af"),
    "writes a full-width slash": _at_slash(b"%ef%bc%8f"),
    "writes a raw full-width slash": _at_slash(b"\xef\xbc\x8f"),
    "has a line feed at a slash": _at_slash(b"/%0a/"),
    "has a tab at a slash": _at_slash(b"/%09"),
    "encodes a letter": _at_letter(lambda byte: b"%%%02x" % byte),
    "encodes a letter in capitals": _at_letter(lambda byte: b"%%%02X" % byte),
    "encodes a letter twice": _at_letter(lambda byte: b"%%25%02x" % byte),
    "changes the case of a letter": _at_letter(lambda byte: chr(byte).swapcase().encode()),
    "writes a full-width letter": _at_letter(_fullwidth),
    "writes a letter in too many bytes": _at_letter(lambda byte: b"%%c%d%%%02x" % (byte >> 6, 0x80 | byte & 0x3F)),
    "writes an odd encoding": _at_letter(lambda byte: b"%%u00%02x" % byte),
    "writes a short encoding": _at_letter(lambda _byte: b"%7"),
    "puts a zero-width space": _at_letter(lambda byte: b"%c%%e2%%80%%8b" % byte),
    "puts a raw high byte": _at_letter(lambda byte: b"%c\xff" % byte),
    "writes capitals": lambda _rng, target: target.upper(),
    "adds a parameter": _parameter(b";x=1"),
    "adds an encoded parameter": _parameter(b"%3bx=1"),
    "adds a semicolon": _parameter(b";"),
    "adds a comma": _parameter(b",x"),
    "adds a blank": _parameter(b"%20"),
    "adds a raw tab": _parameter(b"\t"),
    "adds a NUL": _parameter(b"%00"),
    "adds a raw NUL": _parameter(b"\x00"),
    "adds a line feed": _parameter(b"%0a"),
    "adds a carriage return": _parameter(b"%0d%0a"),
    "adds a dot": _parameter(b"."),
    "adds an extension": _after(b".json"),
    "adds a slash": _after(b"/"),
    "adds two slashes": _after(b"//"),
    "adds a dot segment": _after(b"/."),
    "adds two dots": _after(b"/x/.."),
    "adds an encoded slash behind": _after(b"%2f"),
    "adds a fragment": _after(b"#x"),
    "adds an encoded fragment": _after(b"%23x"),
    "adds a query": _after(b"?x=/healthz"),
    "adds an encoded query": _after(b"%3fx"),
    "adds a query with a method": _after(b"?_method=POST&amount=900"),
    "adds a semicolon and a query": _after(b";?x"),
    "has a fragment before": _before(b"/healthz#"),
    "has a query before": _before(b"/healthz?"),
    "has an encoded query before": _before(b"/healthz%3f/.."),
    "has an open path before, encoded": _before(b"/healthz%2f.."),
    "has an open path before": _before(b"/healthz/.."),
    "has any path before": _before(b"/files/.."),
    "has no slash at the beginning": lambda _rng, target: target.lstrip(b"/"),
    "begins with a dot": lambda _rng, target: b"." + target,
    "begins with two slashes": _before(b"/"),
    "begins with an encoded slash": lambda _rng, target: b"%2f" + target.lstrip(b"/"),
    "begins with a slash and an encoded one": lambda _rng, target: b"/%2f" + target.lstrip(b"/"),
    "begins with a backslash": lambda _rng, target: b"\\" + target.lstrip(b"/"),
    "names the whole address": _before(b"http://agent.test"),
    "names another host's address": _before(b"http://pay.test"),
    "names an address in capitals": _before(b"HTTP://AGENT.TEST"),
    "names an address with a port and a user": _before(b"http://u:p@agent.test:80"),
    "names an address without a host": _before(b"http://"),
    "names an address of another scheme": _before(b"x:"),
    "names an address by https": _before(b"https://agent.test"),
    "names an address and a doubled slash": _before(b"http://agent.test/"),
    "names the host in the path": _before(b"//agent.test"),
    "names a scheme and no authority": _before(b"http:"),
    "joins prefix and path": lambda _rng, target: b"/api" + target.lstrip(b"/"),
    "goes on behind a prefix": _before(b"/files/api"),
    "names a query at the host": lambda _rng, target: b"http://agent.test?" + target,
}


def mutate(rng: Random, target: bytes) -> tuple[str, bytes]:
    """Make one mutation, or put a prefix in front; return its name, too."""
    if rng.random() < 0.2:
        prefix = rng.choice(PREFIXES)
        return f"begins with {prefix.decode()}", prefix + target
    name = rng.choice(list(MUTATIONS))
    return name, MUTATIONS[name](rng, target)
