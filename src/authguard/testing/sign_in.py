"""What a client holds after a sign-in at the test identity provider, and what can go wrong on the way there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authguard.errors import AuthguardError

if TYPE_CHECKING:
    from collections.abc import Mapping


class IdentityProviderError(AuthguardError):
    """The test identity provider did not start, does not run, or refused what a test asked of it."""


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
    """What a client holds after a sign-in or a refresh.

    Attributes:
        access_token: a JWT (RFC 9068), or an opaque string where that was asked for.
        refresh_token: works once.
        sid: the session's name, kept by refreshes; None where the provider sends none.
        expires_in: seconds that the access token lives from now.
        subject: the `sub` it is about.
        client_id: the client it was issued to.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    sid: str | None
    expires_in: int
    subject: str
    client_id: str

    @property
    def headers(self) -> dict[str, str]:
        """The `Authorization` header that presents the access token (RFC 6750 section 2.1)."""
        return {"Authorization": f"Bearer {self.access_token}"}


def signed_in(answer: Mapping[str, Any], subject: str, client_id: str) -> SignIn:
    """Read a token response (RFC 6749 section 5.1) with its `sid`."""
    return SignIn(
        access_token=answer["access_token"],
        refresh_token=answer["refresh_token"],
        sid=answer["sid"],
        expires_in=answer["expires_in"],
        subject=subject,
        client_id=client_id,
    )
