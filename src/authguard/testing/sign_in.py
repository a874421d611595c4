"""A sign-in at the test identity provider, as a client holds it, and its errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authguard.errors import AuthguardError

if TYPE_CHECKING:
    from collections.abc import Mapping


class IdentityProviderError(AuthguardError):
    """The test identity provider did not start, does not run, or refused a test's order."""


class RefreshRefusedError(AuthguardError):
    """The token endpoint refused a refresh.

    Attributes:
        error: the code of RFC 6749 section 5.2, such as `invalid_grant`.
    """

    def __init__(self, error: str) -> None:
        self.error = error
        super().__init__(f"the refresh was refused: {error}")


@dataclass(frozen=True, slots=True)
class SignIn:
    """The tokens of a sign-in or a refresh.

    Attributes:
        access_token: a JWT (RFC 9068), or an opaque string if requested.
        refresh_token: works once.
        sid: id of the session, kept by refreshes; None if the provider sends none.
        expires_in: seconds that the access token lives from now.
        subject: the `sub` of the tokens.
        client_id: client to which they were issued.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    sid: str | None
    expires_in: int
    subject: str
    client_id: str

    @property
    def headers(self) -> dict[str, str]:
        """The `Authorization` header with the access token (RFC 6750 section 2.1)."""
        return {"Authorization": f"Bearer {self.access_token}"}


def signed_in(answer: Mapping[str, Any], subject: str, client_id: str) -> SignIn:
    """Parse a token response (RFC 6749 section 5.1) with its `sid`."""
    return SignIn(
        access_token=answer["access_token"],
        refresh_token=answer["refresh_token"],
        sid=answer["sid"],
        expires_in=answer["expires_in"],
        subject=subject,
        client_id=client_id,
    )
