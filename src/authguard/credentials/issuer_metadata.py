"""Discovery of an issuer's metadata (RFC 8414 3, OpenID Connect Discovery 4), and what it names.

Rule: metadata must name exactly the issuer of the policy (RFC 8414 3.3). Metadata about all tenants names it with the
placeholder of the tenant, literally.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from authguard.core.deployment import TENANT_PLACEHOLDER
from authguard.credentials.issuer_document import is_secure_url, read_document
from authguard.credentials.issuer_error import KeysProblem, KeysUnreachableError, KeysUnusableError
from authguard.outbound.http_client import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.deployment import Issuer
    from authguard.outbound.http_client import HttpClient


@dataclass(frozen=True, slots=True)
class IssuerMetadata:
    """Metadata of an issuer.

    Attributes:
        address: URL of the document.
        jwks_uri: address of the keys.
        document: all members, unchecked.
    """

    address: str
    jwks_uri: str
    document: Mapping[str, object] = field(default_factory=dict, repr=False)


async def find_metadata(client: HttpClient, issuer: Issuer) -> IssuerMetadata:
    """Return the metadata of an issuer, from the first of its addresses that has it.

    Raises:
        KeysUnreachableError: an address cannot be reached, and no other has the metadata.
        KeysUnusableError: no address has metadata of this issuer; the message states what to change.
    """
    found: list[KeysUnusableError] = []
    unreachable: KeysUnreachableError | None = None
    addresses = [issuer.discovery_url] if issuer.discovery_url else list(metadata_addresses(issuer.issuer))
    for address in addresses:
        try:
            response = await read_document(client, address, insecure_http=issuer.insecure_http)
            return check_metadata(address, response.document or {}, issuer)
        except KeysUnusableError as error:
            found.append(error)
        except KeysUnreachableError as error:
            if not error.has_response:  # the other addresses are on the same host
                raise
            unreachable = unreachable or error
    # the most telling finding: a document is about another issuer, else one cannot be used, else there is none
    telling = [error for error in found if error.problem is not KeysProblem.MISSING]
    if telling:
        raise next((error for error in telling if error.problem is KeysProblem.OTHER_ISSUER), telling[0])
    if unreachable is not None:
        raise unreachable
    tried = ", ".join(f"`{address}`" for address in addresses)
    advice = "check `issuer`, or write `keys: {discovery: URL}` or `keys: {jwks_uri: URL}`"
    raise KeysUnusableError(KeysProblem.MISSING, f"the issuer publishes no metadata at {tried}: {advice}")


def check_metadata(address: str, document: Mapping[str, object], issuer: Issuer) -> IssuerMetadata:
    """Return the metadata if it names this issuer, and an address of keys that may be used.

    Raises:
        KeysUnusableError: it does not.
    """
    named, keys = document.get("issuer"), document.get("jwks_uri")
    if not isinstance(named, str) or not named:
        raise KeysUnusableError(KeysProblem.MALFORMED, f"the metadata at `{address}` names no issuer")
    if named not in {issuer.issuer, issuer.template}:
        raise KeysUnusableError(KeysProblem.OTHER_ISSUER, describe_other_issuer(address, named, issuer.issuer))
    if not isinstance(keys, str) or not keys:
        message = f"the metadata at `{address}` names no `jwks_uri`: write `keys: {{jwks_uri: URL}}`"
        raise KeysUnusableError(KeysProblem.MALFORMED, message)
    is_downgrade = urlsplit(issuer.issuer).scheme == "https" and not keys.lower().startswith("https://")
    if not issuer.insecure_http and (is_downgrade or not is_secure_url(keys)):
        message = (
            f"the metadata at `{address}` names the keys `{shown(keys)}`, which is not an https URL without a user name"
        )
        raise KeysUnusableError(KeysProblem.INSECURE, message)
    return IssuerMetadata(address, keys, document)


def describe_other_issuer(address: str, named: str, expected: str) -> str:
    """Return the difference between two issuers, and what to write."""
    found, message = shown(named), f"the metadata at `{address}` names the issuer `{shown(named)}`"
    if named.rstrip("/") == expected.rstrip("/"):
        slash = "with a slash at the end" if named.endswith("/") else "without a slash at the end"
        return f"{message}, {slash}: write `issuer: {found}`, exactly as its tokens have it"
    if TENANT_PLACEHOLDER in named:
        return f"{message}, which stands for all tenants: write `issuer: '{found}'` and `tenants: [...]`"
    return f"{message}, not `{expected}`: write `issuer: {found}` if its tokens have that `iss`"


def metadata_addresses(issuer: str) -> Iterator[str]:
    """Return the URLs of the metadata (OpenID Connect Discovery 4, RFC 8414 3.1, and 5 for an issuer with a path)."""
    yield issuer.rstrip("/") + "/.well-known/openid-configuration"
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    for name in ("oauth-authorization-server", "openid-configuration") if path else ("oauth-authorization-server",):
        yield urlunsplit((parts.scheme, parts.netloc, f"/.well-known/{name}{path}", "", ""))
