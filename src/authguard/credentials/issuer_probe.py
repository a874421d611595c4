"""Check of what an issuer publishes, with the guard's own readers; nothing is stored, and no token is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio
from msgspec import Struct, field

from authguard.core.deployment import TENANT_PLACEHOLDER, Issuer
from authguard.credentials.issuer_document import IssuerDocument, read_document
from authguard.credentials.issuer_error import KeysProblem, KeysUnreachableError, KeysUnusableError
from authguard.credentials.issuer_metadata import check_metadata, describe_other_issuer, metadata_addresses
from authguard.credentials.jwk import KeySet, allowed_algorithms
from authguard.credentials.jwk_set import load_jwks
from authguard.credentials.jwks_cache import RefreshPolicy
from authguard.credentials.key_source import find_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.outbound.http_client import HttpClient

#: every asymmetric algorithm that a policy can list
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "ES256K", "Ed25519"),
)
#: seconds for one document; more than the guard waits, so that a slow issuer is told as slow
DOCUMENT_TIMEOUT_S: Final = 10.0
WELL_KNOWN: Final = "/.well-known/"
UNREACHABLE: Final = "unreachable"


class Finding(Struct, frozen=True):
    """Something that was read or does not work.

    Attributes:
        address: URL of the document.
        problem: closed code; empty if the document can be used.
        message: what was found, and what to change; empty if it can be used.
    """

    address: str
    problem: str = ""
    message: str = ""


class ProbeResult(Struct, frozen=True, kw_only=True):
    """What an issuer publishes.

    Attributes:
        given: the URL of the caller.
        issuer: the ``iss`` that the metadata names; empty if there is no metadata.
        discovery_url: address of the metadata if it does not follow from the issuer; empty if it does.
        metadata: every address that was tried.
        document: the metadata, unchecked.
        jwks_uri: address of the keys; empty if unknown.
        keys: usable and ignored keys.
        problems: everything that prevents the guard from using the issuer, the first one first.
        duration: seconds for metadata and keys.
    """

    given: str
    issuer: str = ""
    discovery_url: str = ""
    metadata: tuple[Finding, ...] = ()
    document: Mapping[str, object] = field(default_factory=dict)
    jwks_uri: str = ""
    keys: KeySet = field(default_factory=KeySet)
    problems: tuple[Finding, ...] = ()
    duration: float = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether a policy can name the issuer exactly as the caller did."""
        return not self.problems

    @property
    def is_slow(self) -> bool:
        """Whether the guard would not wait for the keys."""
        return self.duration > RefreshPolicy().timeout

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms to write in a policy: those of the keys, as far as the metadata supports them."""
        named = {name for key in self.keys.keys for name in key.verifiers}
        supported = allowed_algorithms(self.list("id_token_signing_alg_values_supported"))
        chosen = named & supported or named
        return tuple(name for name in ALGORITHMS if name in chosen)

    def list(self, name: str) -> tuple[str, ...]:
        """Return the texts of a list in the metadata."""
        value = self.document.get(name)
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()

    def text(self, name: str) -> str:
        """Return a text of the metadata; empty if it has none."""
        value = self.document.get(name)
        return value if isinstance(value, str) else ""


async def probe(client: HttpClient, given: str, *, insecure_http: bool = False) -> ProbeResult:
    """Read the metadata at all its addresses, and the keys.

    Args:
        client: the HTTP client.
        given: an issuer, or the address of its metadata or keys.
        insecure_http: whether URLs without TLS are allowed.
    """
    is_address = WELL_KNOWN in urlsplit(given).path
    try:
        addresses = [given] if is_address else list(metadata_addresses(given))
    except ValueError:
        addresses = [given]
    started = anyio.current_time()
    tried: list[Finding] = []
    found: tuple[str, Mapping[str, object]] = ("", {})
    for address in addresses:
        response = await _read(client, address, insecure_http=insecure_http)
        tried.append(response if isinstance(response, Finding) else Finding(address))
        if isinstance(response, Finding):
            if response.problem == UNREACHABLE and not found[0]:
                break  # the other addresses are on the same host
        elif not found[0]:
            found = address, response.document or {}
    address, document = found
    if _is_key_set(document):
        return _describe_key_set(given, document, started)
    if not address:
        response = await _read(client, given, insecure_http=insecure_http)
        if not isinstance(response, Finding) and _is_key_set(response.document or {}):
            return _describe_key_set(given, response.document or {}, started)
        return ProbeResult(given=given, metadata=tuple(tried), problems=(_main_failure(tried),))
    named = document.get("issuer")
    result = ProbeResult(
        given=given,
        issuer=named if isinstance(named, str) else "",
        metadata=tuple(tried),
        document=document,
    )
    return await _probe_keys(client, result, address, started, insecure_http=insecure_http)


def _is_key_set(document: Mapping[str, object]) -> bool:
    return "issuer" not in document and isinstance(document.get("keys"), list)


def _describe_key_set(given: str, document: Mapping[str, object], started: float) -> ProbeResult:
    """Return the result for the address of a JWK Set; its keys may be of any issuer."""
    keys, problem = _load(document, given, TENANT_PLACEHOLDER)
    problems = (Finding(given, problem.problem, str(problem)),) if problem else ()
    duration = anyio.current_time() - started
    return ProbeResult(given=given, jwks_uri=given, keys=keys, problems=problems, duration=duration)


def _main_failure(tried: list[Finding]) -> Finding:
    """Return the most telling failure: a document that cannot be used, else that there is none."""
    telling = [one for one in tried if one.problem != KeysProblem.MISSING]
    if telling:
        return telling[0]
    advice = "check the URL, or write `keys: {jwks_uri: URL}` with the address of the keys in its documentation"
    return Finding(tried[0].address, KeysProblem.MISSING, f"there is no metadata at any address below: {advice}")


async def _probe_keys(
    client: HttpClient, result: ProbeResult, address: str, started: float, *, insecure_http: bool
) -> ProbeResult:
    """Read the keys that the metadata names, and complete the result."""
    issuer = Issuer(
        issuer=result.issuer, audience=(), algorithms=ALGORITHMS, discovery=True, insecure_http=insecure_http
    )
    problems: list[Finding] = []
    is_address = WELL_KNOWN in urlsplit(result.given).path
    if result.issuer and not is_address and result.issuer != result.given:
        message = describe_other_issuer(address, result.issuer, result.given)
        problems.append(Finding(address, KeysProblem.OTHER_ISSUER, message))
    jwks_uri, keys = "", KeySet()
    try:
        jwks_uri = check_metadata(address, result.document, issuer).jwks_uri
    except KeysUnusableError as error:
        problems.append(Finding(address, error.problem, str(error)))
    else:
        response = await _read(client, jwks_uri, insecure_http=insecure_http)
        if isinstance(response, Finding):
            problems.append(response)
        else:
            keys, problem = _load(response.document or {}, jwks_uri, result.issuer)
            problems += [Finding(jwks_uri, problem.problem, str(problem))] if problem else []
    derived = tuple(metadata_addresses(result.issuer)) if result.issuer else ()
    return ProbeResult(
        given=result.given,
        issuer=result.issuer,
        discovery_url="" if address in derived else address,
        metadata=result.metadata,
        document=result.document,
        jwks_uri=jwks_uri,
        keys=keys,
        problems=tuple(problems),
        duration=anyio.current_time() - started,
    )


def _load(document: Mapping[str, object], address: str, issuer: str) -> tuple[KeySet, KeysUnusableError | None]:
    """Load the keys; those of one tenant are usable if the metadata is about all of them."""
    issuers = frozenset[str]() if TENANT_PLACEHOLDER in issuer else frozenset({issuer})
    try:
        keys = load_jwks(document, allowed_algorithms(ALGORITHMS), issuers)
    except ValueError as error:
        return KeySet(), KeysUnusableError(KeysProblem.MALFORMED, f"the keys at `{address}`: {error}")
    return keys, find_problem(keys, address, ALGORITHMS)


async def _read(client: HttpClient, address: str, *, insecure_http: bool) -> IssuerDocument | Finding:
    try:
        with anyio.fail_after(DOCUMENT_TIMEOUT_S):
            return await read_document(client, address, insecure_http=insecure_http)
    except KeysUnusableError as error:
        return Finding(address, error.problem, str(error))
    except KeysUnreachableError as error:
        return Finding(address, UNREACHABLE, str(error))
    except TimeoutError:
        return Finding(address, UNREACHABLE, f"no response of `{address}` within {DOCUMENT_TIMEOUT_S:g} s")
