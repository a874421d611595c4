"""Reader for the `DPoP` header and the URL that a proof must name.

Rule: the URL consists of the policy's public URL and the path of the request. The `Host` header and forwarding headers
are never used, since the caller controls them (RFC 9449 4.3, RFC 9110 7.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from authguard.formats.urls import normalize

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from authguard.core.request import Evidence
    from authguard.evaluation.decision import Verdict

    Message = MutableMapping[str, Any]
    Send = Callable[[Message], Awaitable[None]]

_HEADER: Final = b"dpop"
#: characters that are not escaped in a path (RFC 3986 3.3)
_PLAIN: Final = "/!$&'()*+,;=:@-._~"


class ProofReader:
    """Reads the proofs of one deployment.

    Args:
        public_url: URL under which callers reach the root of the server.
    """

    __slots__ = ("_base", "_path")

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        self._path = parts.path.rstrip("/")
        self._base = f"{parts.scheme}://{parts.netloc}{self._path}"

    def read(self, evidence: Evidence, scope: dict[str, Any]) -> Evidence:
        """Return the evidence with the proof, the method and the URL; unchanged if the request has no proof.

        Args:
            evidence: of the same request.
            scope: of type ``http`` or ``websocket``.
        """
        sent = [value for name, value in scope["headers"] if name == _HEADER]
        if not sent:
            return evidence
        try:
            address = normalize(self._base + self._request_path(scope))
        except ValueError:
            address = ""  # such a URL matches no proof
        # several fields are one list (RFC 9110 5.3), and no proof is a list
        return replace(evidence, proof=b",".join(sent), method=scope.get("method", "GET"), address=address)

    def _request_path(self, scope: dict[str, Any]) -> str:
        """Return the path as sent, relative to the public URL if the server counts the URL's path as its root path."""
        raw: bytes = scope.get("raw_path") or quote(scope["path"], safe=_PLAIN).encode()
        path, root = raw.partition(b"?")[0].decode("latin-1"), scope.get("root_path", "")
        if (
            root
            and self._path.endswith(root)
            and path.startswith(root)
            and path[len(root) : len(root) + 1] in {"", "/"}
        ):
            return path[len(root) :]
        return path


def with_nonce(send: Send, verdict: Verdict) -> Send:
    """Add the next nonce to the response of an admitted request, if it has changed (RFC 9449 8.2)."""
    nonce = verdict.credential.nonce
    if not nonce or not verdict.admits:
        return send

    async def send_with_nonce(message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start", "websocket.accept"}:
            named = (b"dpop-nonce", nonce.encode())
            message = {**message, "headers": [*message.get("headers", ()), named]}
        await send(message)

    return send_with_nonce
