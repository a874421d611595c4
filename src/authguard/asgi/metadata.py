"""Protected resource metadata of this resource server (RFC 9728), built from the policy alone.

Rule: every URL in it begins with the policy's public URL; it contains no data of a caller (RFC 9728 3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from authguard.asgi.reply import Reply, common_prefix, with_prefix
from authguard.core.credential_place import AUTHORIZATION
from authguard.core.protected_resource import contains, find_resources
from authguard.core.request import PROOF_ALGORITHMS, Match, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.runtime.enforcer import Enforcer

METADATA: Final = "authguard.metadata"
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
#: scopes that the metadata of a resource server must not list (MCP, authorization: no ``offline_access``)
_UNLISTED_SCOPES: Final = frozenset({"offline_access"})
_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"public, max-age=300"),
    (b"access-control-allow-origin", b"*"),  # public, and read by clients in browsers too
)


class Metadata(Struct, frozen=True):
    """The documents of one deployment.

    Attributes:
        operations: the public operations that serve the documents, decided and recorded like all others.
        documents: path -> document.
        addresses: path of each resource, as operations spell paths -> URL of its document; the longest path first.
    """

    operations: tuple[Operation, ...] = ()
    documents: Mapping[str, bytes] = field(default_factory=dict)
    addresses: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, enforcer: Enforcer) -> Metadata:
        """Build a document for the public URL, and one for each resource below it.

        The resources are the audiences that are paths below the public URL. If all audiences are names, an issuer does
        not compare them with a resource, so each literal path is one: a client of a single endpoint, as of MCP, expects
        the document of its path (RFC 9728 3.1 and 3.3).
        """
        policy = enforcer.policy
        if not policy.settings.public_url:
            return cls()
        parts = urlsplit(policy.settings.public_url)
        origin, root = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        audiences = [audience for issuer in policy.issuers.values() for audience in issuer.audience]
        resources = find_resources(policy.settings.public_url, audiences)
        if not resources:
            paths = [one.match.path for one in policy.operations if one.risk != "public" and "{" not in one.match.path]
            below = [f"{root}{path.rstrip('/')}" for path in paths if path.strip("/")]
            resources = {path: f"{origin}{path}" for path in below}
        resources = {root: f"{origin}{root}", **resources}
        common = _common_members(enforcer)
        documents = {
            f"{WELL_KNOWN}{path}": msgspec.json.encode(
                {"resource": resource, "authorization_servers": _list_issuers(enforcer, resource), **common}
            )
            for path, resource in resources.items()
        }
        operations = tuple(
            Operation(name=METADATA, match=Match(path=path, method="GET"), risk="public", effect="read")
            for path in documents
        )
        addresses = {path[len(root) :]: f"{origin}{WELL_KNOWN}{path}" for path in resources}
        return cls(operations, documents, tuple(sorted(addresses.items(), key=lambda one: -len(one[0]))))

    def find_address(self, path: str) -> str:
        """Return the URL of the document about a path or template, for challenges; empty without a public URL."""
        return next((address for resource, address in self.addresses if contains(resource, path)), "")

    def reply(self, path: str) -> Reply:
        """Return the document of a path that one of `operations` matched."""
        return Reply(200, _HEADERS, self.documents[path], 0, "")


def schemes(enforcer: Enforcer) -> tuple[str, ...]:
    """Return the accepted authentication schemes, the stronger first (RFC 9449 7.1)."""
    constraints = {issuer.sender_constraint for issuer in enforcer.policy.issuers.values()}
    names = {"dpop": "DPoP", "none": "Bearer"}
    return tuple(names[constraint] for constraint in ("dpop", "none") if constraint in constraints) or ("Bearer",)


def issuer_schemes(enforcer: Enforcer) -> dict[str, str]:
    """Return the scheme of each issuer's credentials, and the first one of the deployment under an empty name."""
    issuers = enforcer.policy.issuers.items()
    own = {name: "DPoP" if issuer.sender_constraint == "dpop" else "Bearer" for name, issuer in issuers}
    return {**own, "": schemes(enforcer)[0]}


def scope_prefixes(enforcer: Enforcer) -> dict[str, str]:
    """Return the prefix with which clients of each issuer ask for scopes."""
    return {name: issuer.scope_prefix for name, issuer in enforcer.policy.issuers.items()}


def _list_issuers(enforcer: Enforcer, resource: str) -> list[str]:
    """Return the issuers of tokens for a resource: their audience is the resource or only a name; all if none is."""
    policy = enforcer.policy
    found = [
        name
        for name, issuer in policy.issuers.items()
        if resource in issuer.audience or not find_resources(policy.settings.public_url, issuer.audience)
    ]
    return found or list(policy.issuers)


def _common_members(enforcer: Enforcer) -> dict[str, Any]:
    """Return the common members of all documents, without the empty ones (RFC 9728 2)."""
    policy = enforcer.policy
    scopes = (
        frozenset[str]().union(policy.otherwise.scopes, *(one.scopes for one in policy.operations)) - _UNLISTED_SCOPES
    )
    accepted = schemes(enforcer)
    prefix = common_prefix(scope_prefixes(enforcer))
    document: dict[str, Any] = {
        "resource_name": policy.name,
        "scopes_supported": sorted(with_prefix(scope, prefix) for scope in scopes),
        "bearer_methods_supported": ["header"] if AUTHORIZATION in policy.credentials else [],
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS) if "DPoP" in accepted else [],
        "dpop_bound_access_tokens_required": accepted == ("DPoP",),
    }
    return {name: value for name, value in document.items() if value}
