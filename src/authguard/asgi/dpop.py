"""What a proof of possession has to be for: reads the `DPoP` header and the address that the caller asked for.

Rule: the address is the public URL of the policy and the path of the request; what the caller says of the host, in
`Host` or in any forwarding header, is never believed (RFC 9449 4.3, RFC 9110 7.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from authguard.core.urls import normalize

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from authguard.core.request import Evidence
    from authguard.runtime.access import Verdict

    Message = MutableMapping[str, Any]
    Send = Callable[[Message], Awaitable[None]]

_HEADER: Final = b"dpop"
#: what may stand in a path as it is (RFC 3986 3.3)
_PLAIN: Final = "/!$&'()*+,;=:@-._~"


class ProofReader:
    """Reads proofs for one deployment.

    Args:
        public_url: by which callers reach the root of what the server serves.
    """

    __slots__ = ("_base", "_path")

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        self._path = parts.path.rstrip("/")
        self._base = f"{parts.scheme}://{parts.netloc}{self._path}"

    def read(self, evidence: Evidence, scope: dict[str, Any]) -> Evidence:
        """Add what the check of a proof needs; nothing where no proof was sent.

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
            address = ""  # no proof can name it
        # several fields are one list (RFC 9110 5.3), and no proof is a list
        return replace(evidence, proof=b",".join(sent), method=scope.get("method", "GET"), address=address)

    def _request_path(self, scope: dict[str, Any]) -> str:
        """Give the path as it was sent, below the public URL's own where the server counts that as its root path."""
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
    """Tell a caller who is let in which nonce to use next, where that changed (RFC 9449 8.2)."""
    nonce = verdict.credential.nonce
    if not nonce or not verdict.admits:
        return send

    async def send_with_nonce(message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start", "websocket.accept"}:
            named = (b"dpop-nonce", nonce.encode())
            message = {**message, "headers": [*message.get("headers", ()), named]}
        await send(message)

    return send_with_nonce
