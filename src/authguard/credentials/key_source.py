"""Source of the keys of one issuer, or of all tenants that share metadata or keys: fetches, loads and reports them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.outcomes import Reason
from authguard.credentials.issuer_error import KeysProblem, KeysUnusableError
from authguard.credentials.jwk import PublishedKeys
from authguard.credentials.jwk_set import load_jwks
from authguard.credentials.jwks_cache import NOT_FETCHED, JwksCache
from authguard.credentials.key_problem import KeyProblem
from authguard.ports import IgnoredKeyStatus, IssuerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.core.deployment import Issuer
    from authguard.credentials.jwk import DocumentVersion, KeySet
    from authguard.credentials.jwks_cache import RefreshPolicy
    from authguard.credentials.jwks_fetcher import JwksFetcher
    from authguard.ports import KeysState

#: maximum number of ignored keys in one message
MAX_LISTED_KEYS: Final = 5
_STATES: Final[dict[Reason, KeysState]] = {
    Reason.KEYS_UNREACHABLE: "unreachable",
    Reason.KEYS_UNUSABLE: "unusable",
}


class KeySource(Struct, frozen=True, eq=False):
    """One source of keys.

    Attributes:
        issuers: the issuers that use it; several are tenants of one template.
        cache: its keys.
    """

    issuers: tuple[Issuer, ...]
    cache: JwksCache

    @classmethod
    def of(
        cls,
        issuers: Sequence[Issuer],
        algorithms: frozenset[str],
        fetcher: JwksFetcher,
        refresh_policy: RefreshPolicy,
        notify: Callable[[IssuerStatus], None],
    ) -> KeySource:
        """Build a source.

        Args:
            issuers: the issuers that use it, with the same settings.
            algorithms: that the keys may be used with.
            fetcher: fetches key sets.
            refresh_policy: how often.
            notify: called with the status when it changes.
        """
        first, names = issuers[0], frozenset(issuer.issuer for issuer in issuers)

        async def read(known: DocumentVersion) -> PublishedKeys:
            response = await fetcher.fetch_jwks(first, known)
            if response.document is None:
                return PublishedKeys(None, response.lifetime, response.version)
            address = response.version.address
            try:
                keys = load_jwks(response.document, algorithms, names)
            except ValueError as error:
                raise KeysUnusableError(KeysProblem.MALFORMED, f"the keys at `{address}`: {error}") from None
            problem = find_problem(keys, address, first.algorithms)
            return PublishedKeys(keys, response.lifetime, response.version, problem)

        reader = read if is_fetched(first) else None
        cache = JwksCache(reader, first.stale_keys, refresh_policy, lambda: notify(source.status()))
        source = cls(tuple(issuers), cache)
        return source

    def status(self) -> IssuerStatus:
        """Return the status for the log and the health endpoint."""
        first, failure = self.issuers[0], self.cache.failure
        state: KeysState = "unfetched" if failure is NOT_FETCHED else _STATES.get(failure.reason, "ok")
        return IssuerStatus(
            issuer=first.template if len(self.issuers) > 1 else first.issuer,
            keys=state,
            problem=failure.problem,
            message=failure.message,
            ignored=tuple(
                IgnoredKeyStatus(one.kid, one.problem.code, str(one), one.problem.is_ordinary)
                for one in self.cache.keys.ignored
            ),
            insecure_http=first.insecure_http,
        )


def is_fetched(issuer: Issuer) -> bool:
    """Return whether the keys of an issuer are fetched from it."""
    return issuer.discovery or bool(issuer.jwks_uri)


def find_problem(keys: KeySet, address: str, algorithms: Sequence[str]) -> KeysUnusableError | None:
    """Return why no key of a set is usable; ``None`` if one is.

    Args:
        keys: the loaded set.
        address: its URL.
        algorithms: of the policy.
    """
    if keys.keys:
        return None
    others = sorted(
        {
            name
            for ignored in keys.ignored
            if ignored.problem is KeyProblem.ALGORITHM_UNLISTED
            for name in ignored.detail.split(", ")
        }
    )
    if others:
        listed = ", ".join(others)
        message = f"the keys at `{address}` are for {listed}, and the policy lists {', '.join(algorithms)}"
        advice = f"write `algorithms: [{others[0]}]`, or those of {listed} that the issuer signs with"
        return KeysUnusableError(KeysProblem.ALGORITHMS, f"{message}: {advice}")
    causes = "; ".join(str(ignored) for ignored in keys.ignored[:MAX_LISTED_KEYS]) or "the set is empty"
    return KeysUnusableError(KeysProblem.NO_USABLE_KEY, f"the keys at `{address}` cannot be used: {causes}")
