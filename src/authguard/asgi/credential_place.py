"""Reader for a credential outside of `Authorization`: in another header, a cookie, or a WebSocket subprotocol.

Rules of this file:
- A credential in any place becomes the value of an `Authorization` header with the scheme ``Bearer``, so that all
  later parts read one place. It is verified like any other: no place is trusted.
- A request with credentials in two places, or with two in one place, is refused. An undeclared place is not read.
- Browsers add a cookie to requests of any page, so a cookie counts only for reads and for allowed origins.
- The app never sees a token as a subprotocol, and the server never sends one back.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from authguard.core.outcomes import Reason
from authguard.formats.urls import origin_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence

    from authguard.core.credential_place import CredentialPlace
    from authguard.core.request import Evidence, Operation

    Message = MutableMapping[str, Any]
    Send = Callable[[Message], Awaitable[None]]

#: maximum length of all cookies of a request; servers allow less
MAX_COOKIE_BYTES: Final = 65_536
#: maximum number of offered subprotocols
MAX_SUBPROTOCOLS: Final = 64
SUBPROTOCOLS: Final = b"sec-websocket-protocol"
#: prefix of a subprotocol that contains its token in base64url, as Kubernetes uses it
ENCODED_PREFIX: Final = "base64url."
#: methods that change nothing (RFC 9110 9.2.1)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: schemes of a credential in `Authorization`; any other scheme is no credential (RFC 6750 3.1)
_SCHEMES: Final = (b"bearer", b"dpop")
_BLANKS: Final = b" \t"


class CredentialReader:
    """Reads the credential of a request from the places of one policy.

    Args:
        places: of the policy.
        public_url: URL under which callers reach the app; its origin may use a cookie. Empty for none.
    """

    __slots__ = ("_authorization", "_cookies", "_encoded", "_headers", "_markers", "_origins", "known")

    def __init__(self, places: Iterable[CredentialPlace], public_url: str) -> None:
        names: dict[str, list[str]] = {"authorization": [], "header": [], "subprotocol": [], "cookie": []}
        origins = {origin_of(public_url)} - {""}
        for place in places:
            names[place.kind].append(place.name)
            origins |= place.origins
        self._authorization = bool(names["authorization"])
        self._headers = frozenset(name.encode("ascii") for name in names["header"])
        self._cookies = frozenset(name.encode("ascii") for name in names["cookie"])
        self._encoded = tuple(f"{name}." for name in names["subprotocol"] if name.startswith(ENCODED_PREFIX))
        self._markers = frozenset(name for name in names["subprotocol"] if not name.startswith(ENCODED_PREFIX))
        self._origins = frozenset(origin.encode("ascii") for origin in origins)
        #: lower-case names of the headers that are read, so that the app gets them in no other spelling
        self.known: frozenset[bytes] = self._headers | ({SUBPROTOCOLS} if names["subprotocol"] else frozenset())

    def read(self, evidence: Evidence, scope: dict[str, Any], operation: Operation) -> Evidence | Reason:
        """Return the evidence with the credential of the declared places as its ``authorization``.

        Args:
            evidence: of the same request.
            scope: of type ``http`` or ``websocket``.
            operation: the requested operation.

        Returns:
            The evidence; or why the request is refused: two credentials, more cookies or subprotocols than allowed, or
            a cookie in a request from a page of another origin.
        """
        found = [evidence.authorization] if self._authorization and _is_credential(evidence.authorization) else []
        cookies = self._read_cookies(scope)
        for part in (self._read_headers(scope), self._read_subprotocols(scope), cookies):
            if isinstance(part, Reason):
                return part
            found += part
        if len(found) > 1:
            return Reason.CREDENTIAL_AMBIGUOUS
        if cookies and not self._may_use_cookie(scope, operation):
            if operation.risk != "public":
                return Reason.ORIGIN_REFUSED
            found = []  # nothing is done in the name of the cookie's owner, so the request needs no credential
        if found:
            return replace(evidence, authorization=found[0])
        return evidence if self._authorization else replace(evidence, authorization=b"")

    def hide(self, scope: dict[str, Any]) -> None:
        """Remove the token from the subprotocols of a handshake, before the app sees its scope."""
        if scope["type"] != "websocket" or not (self._markers or self._encoded):
            return
        offered = scope.get("subprotocols") or ()
        rest = self._split(offered)[1]
        if len(rest) == len(offered):
            return
        scope["subprotocols"] = rest
        headers = [header for header in scope["headers"] if header[0] != SUBPROTOCOLS]
        if rest:
            headers.append((SUBPROTOCOLS, ", ".join(rest).encode("latin-1", "replace")))
        scope["headers"] = headers

    def with_subprotocol(self, scope: dict[str, Any], send: Send) -> Send:
        """Accept the subprotocol before the token if the app accepts none: a browser requires one (RFC 6455 4.1)."""
        marker = next((one for one in scope.get("subprotocols") or () if one in self._markers), "")
        if not marker:
            return send

        async def send_with_subprotocol(message: Message) -> None:
            if message["type"] == "websocket.accept" and not message.get("subprotocol"):
                named = {bytes(name).lower() for name, _ in message.get("headers", ())}
                message = message if SUBPROTOCOLS in named else {**message, "subprotocol": marker}
            await send(message)

        return send_with_subprotocol

    def _split(self, offered: Sequence[str]) -> tuple[list[bytes], list[str]]:
        """Split the offered subprotocols into credentials and the rest; all after a marker is not for the app."""
        found, rest = [], list[str]()
        following: Iterator[str] = iter(offered)
        for one in following:
            if one in self._markers:
                found.append(b"Bearer " + next(following, "").encode("utf-8", "replace"))
            elif self._encoded and one.startswith(self._encoded):
                prefix = next(each for each in self._encoded if one.startswith(each))
                found.append(b"Bearer " + _decode(one[len(prefix) :]))
            else:
                rest.append(one)
        return found, rest

    def _read_headers(self, scope: dict[str, Any]) -> list[bytes] | Reason:
        sent = [(name, value) for name, value in scope["headers"] if name in self._headers]
        if len({name for name, _ in sent}) < len(sent):
            return Reason.CREDENTIAL_AMBIGUOUS  # even if one is empty: only one can be the proxy's
        return [_as_authorization(value) for _, value in sent if value.strip(_BLANKS)]

    def _read_subprotocols(self, scope: dict[str, Any]) -> list[bytes] | Reason:
        if scope["type"] != "websocket" or not (self._markers or self._encoded):
            return []
        offered = scope.get("subprotocols") or ()
        following = zip(offered, [*offered[1:], ""], strict=False)
        # a name without its token: the token may stand before it, where the app would see it
        if any(one in self._markers and (not after or after in self._markers) for one, after in following):
            return Reason.REQUEST_MALFORMED
        return Reason.REQUEST_MALFORMED if len(offered) > MAX_SUBPROTOCOLS else self._split(offered)[0]

    def _read_cookies(self, scope: dict[str, Any]) -> list[bytes] | Reason:
        """Return the credentials in cookies (RFC 6265 4.2.1); several headers are one list (RFC 9113 8.2.3)."""
        if not self._cookies:
            return []
        sent = b";".join(value for name, value in scope["headers"] if name == b"cookie")
        if len(sent) > MAX_COOKIE_BYTES:
            return Reason.REQUEST_MALFORMED
        pairs = (pair.partition(b"=") for pair in sent.split(b";")) if sent else ()
        named = [(name.strip(_BLANKS), value.strip(_BLANKS)) for name, _, value in pairs]
        found = [pair for pair in named if pair[0] in self._cookies]
        if len({name for name, _ in found}) < len(found):
            return Reason.CREDENTIAL_AMBIGUOUS  # another host of the domain may have set the other one (RFC 6265 8.6)
        return [_as_authorization(value) for _, value in found if value]

    def _may_use_cookie(self, scope: dict[str, Any], operation: Operation) -> bool:
        """Return whether a request with a cookie is a read, or comes from a page of an allowed origin.

        Pages cannot set ``Origin`` and ``Sec-Fetch-Site`` (Fetch standard, forbidden request-headers).
        """
        if scope["type"] == "http" and scope["method"] in _SAFE_METHODS and operation.effect == "read":
            return True
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if origins:
            return len(origins) == 1 and origins[0] in self._origins
        return [value for name, value in scope["headers"] if name == b"sec-fetch-site"] == [b"same-origin"]


def _is_credential(header: bytes) -> bool:
    return header.strip(_BLANKS).partition(b" ")[0].lower() in _SCHEMES


def _as_authorization(value: bytes) -> bytes:
    """Return a bare token, or one after ``Bearer``, as the value of an ``Authorization`` header."""
    value = value.strip(_BLANKS)
    return value if value[:7].lower() == b"bearer " else b"Bearer " + value


def _decode(text: str) -> bytes:
    """Decode a token in base64url without padding; an invalid one becomes an invalid token."""
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (Base64Error, UnicodeEncodeError):
        return b""
