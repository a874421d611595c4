"""Check of a single token outside of a guard, with the guard's own validators; stores and logs nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from authguard.core.request import NotProven
from authguard.credentials.jwt_validator import JwtValidator, needs_token_validator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from authguard.core.deployment import Issuer
    from authguard.core.request import Credential
    from authguard.ports import IssuerStatus


class _NoStore:
    """A store for a validator that verifies no proof."""

    async def claim(self, name: bytes, until: float, now: float) -> bool:
        """Refuse: nothing is stored."""
        del name, until, now
        return False


async def check_token(  # noqa: PLR0917 - the parts of a deployment
    issuers: Mapping[str, Issuer],
    folder: Path,
    token: bytes,
    now: float,
    environ: Mapping[str, str],
    notify: Callable[[IssuerStatus], None] = lambda _: None,
) -> Credential:
    """Validate one token as the guard does, except for a proof of possession.

    Args:
        issuers: ``iss`` -> issuer of the policy.
        folder: of the policy, against which key files are resolved.
        token: without its scheme, in the form ``token68``, of bounded length.
        now: epoch seconds UTC.
        environ: variables with the secrets of issuers.
        notify: called with the status of the token's issuer when its keys were fetched or not.

    Raises:
        SettingsError: a key file or a secret cannot be used.
    """
    jwt = JwtValidator(
        issuers,
        pseudonym=lambda *_: "",
        fingerprint=lambda _: "",
        environ=environ,
        folder=folder,
        notify=notify,
    )
    if not needs_token_validator(issuers):
        await jwt.open()
        found = await jwt.validate(token, now)
        await jwt.close()
        return found if isinstance(found, NotProven) else found[0].proven
    from authguard.credentials.nonce import NonceGenerator  # noqa: PLC0415 - most policies need no more than the above
    from authguard.credentials.token_validator import TokenValidator  # noqa: PLC0415

    secret = os.urandom(32)
    nonces = NonceGenerator(lambda: secret)
    checker = TokenValidator(jwt, issuers, environ=environ, nonces=nonces, store=_NoStore())
    await checker.open()
    result = await checker.validate(token, now)
    await checker.close()
    return result if isinstance(result, NotProven) else result[0].proven
