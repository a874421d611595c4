"""What this resource server tells of itself: protected resource metadata (RFC 9728), from the policy alone.

Rule: every address in it begins with the policy's public URL; nothing that a caller sends is ever in it (RFC 9728 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from authguard.asgi.reply import Reply
from authguard.core.request import PROOF_ALGORITHMS, Match, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.runtime.enforcer import Enforcer

METADATA: Final = "authguard.metadata"
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
#: what a resource server does not hand out rights for (MCP, authorization: no ``offline_access`` there)
_NOT_OURS: Final = frozenset({"offline_access"})
_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"public, max-age=300"),
    (b"access-control-allow-origin", b"*"),  # it is the same for everybody, and clients in browsers read it too
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The documents of one deployment.

    Attributes:
        address: of the document about all of it, for challenges; empty where the policy has no public URL.
        operations: that give them out; public, decided and recorded like all others.
        documents: path -> document.
    """

    address: str
    operations: tuple[Operation, ...]
    documents: Mapping[str, bytes]

    @classmethod
    def of(cls, enforcer: Enforcer) -> Metadata:
        """Write the documents: of the public URL, and of each address below it that an operation names in full.

        A client of one endpoint, as of MCP, looks under that endpoint's own path first (RFC 9728 3.1).
        """
        policy = enforcer.policy
        if not policy.public_url:
            return cls("", (), {})
        parts = urlsplit(policy.public_url)
        origin, root = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        paths = [operation.match.path for operation in policy.operations if operation.risk != "public"]
        below = [f"{root}{path.rstrip('/')}" for path in paths if path and "{" not in path]
        common = _common(enforcer)
        documents = {
            f"{WELL_KNOWN}{path}": msgspec.json.encode({"resource": f"{origin}{path}", **common})
            for path in dict.fromkeys((root, *below))
        }
        operations = tuple(
            Operation(name=METADATA, match=Match(path=path, method="GET"), risk="public", effect="read")
            for path in documents
        )
        return cls(f"{origin}{WELL_KNOWN}{root}", operations, documents)

    def reply(self, path: str) -> Reply:
        """Answer with the document of a path, which one of `operations` matched."""
        return Reply(200, _HEADERS, self.documents[path], 0, "")


def schemes(enforcer: Enforcer) -> tuple[str, ...]:
    """List the schemes by which this deployment takes credentials, the stronger first (RFC 9449 7.1)."""
    senders = {issuer.sender_constraint for issuer in enforcer.policy.issuers.values()}
    taken = {"dpop": "DPoP", "none": "Bearer"}
    return tuple(taken[sender] for sender in ("dpop", "none") if sender in senders) or ("Bearer",)


def _common(enforcer: Enforcer) -> dict[str, Any]:
    """Give what is said of every resource; what is empty is left out (RFC 9728 2)."""
    policy = enforcer.policy
    scopes = frozenset[str]().union(policy.otherwise.scopes, *(one.scopes for one in policy.operations)) - _NOT_OURS
    taken = schemes(enforcer)
    document: dict[str, Any] = {
        "resource_name": policy.name,
        "authorization_servers": list(policy.issuers),
        "scopes_supported": sorted(scopes),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS) if "DPoP" in taken else [],
        "dpop_bound_access_tokens_required": taken == ("DPoP",),
    }
    return {name: value for name, value in document.items() if value}
