"""The port of the validation of credentials, and the status of issuers' keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from authguard.core.request import Credential, Evidence, Unseen


KeysState = Literal["ok", "unfetched", "unreachable", "unusable"]


class IgnoredKeyStatus(Struct, frozen=True):
    """A published key that is not used; contains no key material.

    Attributes:
        kid: its ``kid``; empty if it has none.
        cause: closed code.
        text: description for the log.
        is_ordinary: whether ordinary providers publish such keys, as for encryption.
    """

    kid: str
    cause: str
    text: str
    is_ordinary: bool


class IssuerStatus(Struct, frozen=True):
    """Whether the keys of an issuer are available.

    Attributes:
        issuer: of the policy; with several tenants its template.
        keys: ``ok``; ``unfetched``: nothing was fetched yet; ``unreachable``: an outage; ``unusable``: a
            misconfiguration. In the last two cases known keys are used until they are too old.
        problem: closed code of a misconfiguration; empty for none.
        message: what was found and what to change, for the log; empty for nothing. May contain internal addresses.
        ignored: published keys that are not used.
        insecure_http: whether the policy allows to fetch the keys without TLS.
    """

    issuer: str
    keys: KeysState
    problem: str = ""
    message: str = ""
    ignored: tuple[IgnoredKeyStatus, ...] = ()
    insecure_http: bool = False


class IntrospectionProblem(Struct, frozen=True):
    """Why the introspection endpoint of an issuer cannot be used at the start.

    Attributes:
        issuer: of the policy.
        message: what was found and what to change, for the log.
        is_outage: whether it may pass by itself; a misconfiguration does not.
    """

    issuer: str
    message: str
    is_outage: bool


class CredentialValidator(Protocol):
    """Validator of credentials. The result is closed: proven, or one of four reasons why not."""

    async def open(self) -> None:
        """Load key files; must work while the issuer is down."""
        ...

    def prefetch(self, now: float) -> None:
        """Start to fetch the keys of all issuers, so that a misconfiguration is logged at the start; never waits."""
        ...

    def issuer_statuses(self) -> tuple[IssuerStatus, ...]:
        """Return the status of each issuer; never waits."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...

    def get_cached(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Return a cached result, or one that needs no validation; never waits."""
        ...

    def validate_offline(self, evidence: Evidence, now: float) -> Credential | Unseen:
        """Validate with the keys in the cache; never waits. Call it if `get_cached` returned `Unseen`."""
        ...

    async def check(self, evidence: Evidence, now: float) -> Credential:
        """Validate; may fetch keys. Call it if `validate_offline` returned `Unseen`."""
        ...
