"""Tokens that every verifier has to reject, each named after its attack.

Rule: every forgery differs from a valid token only in the way that its name says, so that a test knows the reason of
the refusal.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import jwt

from authguard.testing.keys import SigningKey, compact, segment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.testing.mint import Mint


class Forgery(StrEnum):
    """The attacks, for `pytest.mark.parametrize("forgery", Forgery)`: a verifier rejects every one."""

    OTHER_KEY = "other_key"
    """Signed by another party's key under the `kid` of a published one."""
    UNKNOWN_KID = "unknown_kid"
    """Signed by another party's key under a `kid` that no JWKS holds."""
    UNSIGNED = "unsigned"
    """`alg: none` with an empty signature (RFC 8725 section 2.1)."""
    UNSIGNED_ODD_CASE = "unsigned_odd_case"
    """The same, spelled `nOnE`, to bypass a list that compares exactly."""
    STRIPPED = "stripped"
    """A valid header and payload without its signature."""
    CONFUSED = "confused"
    """HS256 with the published RSA key as the shared secret (RFC 8725 section 2.1)."""
    TAMPERED = "tampered"
    """A valid token with a `sub` that was changed after signing."""
    EMBEDDED_KEY = "embedded_key"
    """Signed by a key that the token's header embeds as `jwk` (RFC 8725 section 3.10)."""
    REMOTE_KEY = "remote_key"
    """Signed by a key that the header's `jku` offers to fetch (RFC 8725 section 3.10)."""
    CRITICAL = "critical"
    """Validly signed, with an unknown `crit` extension (RFC 7515 section 4.1.11)."""
    NO_ISSUER = "no_issuer"
    """Validly signed, without `iss`."""
    NO_SUBJECT = "no_subject"
    """Validly signed, without `sub`."""
    NO_AUDIENCE = "no_audience"
    """Validly signed, without `aud`."""
    NO_EXPIRY = "no_expiry"
    """Validly signed, without `exp`: it would never expire."""
    OTHER_ISSUER = "other_issuer"
    """Validly signed, naming an issuer that does not own the key (RFC 8725 section 3.8)."""
    OTHER_AUDIENCE = "other_audience"
    """Validly signed, meant for another service (RFC 9068 section 4)."""
    WRONG_TYPE = "wrong_type"
    """Validly signed, but an ID token's `typ` (RFC 9068 section 4)."""
    ENDLESS = "endless"
    """Validly signed, with an `exp` that JSON readers take for infinity."""
    BOOLEAN_EXPIRY = "boolean_expiry"
    """Validly signed, with `exp: true`, which counts as the number 1 in some languages."""
    REPEATED_CLAIM = "repeated_claim"
    """Validly signed, with `sub` twice: readers disagree about which one counts (RFC 7519 section 4)."""
    PADDED = "padded"
    """A valid token with base64 padding (RFC 7515 section 2 has none)."""
    LOOSE_BITS = "loose_bits"
    """A valid token with final signature bits that a lax decoder ignores: a second spelling of the same token."""


def forge(mint: Mint, forgery: Forgery | str, **claims: Any) -> str:  # noqa: ANN401 - a claim is any JSON value
    """Return a token with the named attack that otherwise equals `mint.mint(**claims)`.

    Args:
        mint: the issuer under attack; the verifier knows its published keys.
        forgery: the attack.
        claims: claims to add or replace, by name.

    Raises:
        ValueError: there is no attack of that name.
    """
    return _FORGERS[Forgery(forgery)](mint, claims)


def _other_key(mint: Mint, claims: Mapping[str, Any]) -> str:
    return compact(mint.header(), mint.claims(**claims), SigningKey.generate().sign)


def _unknown_kid(mint: Mint, claims: Mapping[str, Any]) -> str:
    stranger = SigningKey.generate()
    return compact(mint.header() | {"kid": stranger.kid}, mint.claims(**claims), stranger.sign)


def _unsigned(alg: str) -> Callable[[Mint, Mapping[str, Any]], str]:
    return lambda mint, claims: compact(mint.header() | {"alg": alg}, mint.claims(**claims), lambda _: b"")


def _stripped(mint: Mint, claims: Mapping[str, Any]) -> str:
    return mint.mint(**claims).rpartition(".")[0] + "."


def _confused(mint: Mint, claims: Mapping[str, Any]) -> str:
    published = mint.keys["RS256"]
    hmac = jwt.get_algorithm_by_name("HS256")
    header = mint.header("RS256") | {"alg": "HS256"}
    return compact(header, mint.claims(**claims), lambda message: hmac.sign(message, published.public_pem()))


def _tampered(mint: Mint, claims: Mapping[str, Any]) -> str:
    header, payload, signature = mint.mint(**claims).split(".")
    changed = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    changed["sub"] = f"{changed.get('sub', '')}-but-another"
    return f"{header}.{segment(json.dumps(changed, separators=(',', ':')).encode())}.{signature}"


def _embedded_key(mint: Mint, claims: Mapping[str, Any]) -> str:
    stranger = SigningKey.generate(kid=mint.keys["ES256"].kid)
    return compact(mint.header() | {"jwk": stranger.jwk()}, mint.claims(**claims), stranger.sign)


def _remote_key(mint: Mint, claims: Mapping[str, Any]) -> str:
    stranger = SigningKey.generate()
    # `.invalid` never resolves (RFC 2606), so a verifier that follows `jku` fetches nothing.
    header = mint.header() | {"kid": stranger.kid, "jku": "https://keys.invalid/jwks"}
    return compact(header, mint.claims(**claims), stranger.sign)


def _critical(mint: Mint, claims: Mapping[str, Any]) -> str:
    return mint.mint(header={"crit": ["urn:example:unheard-of"], "urn:example:unheard-of": True}, **claims)


def _without(name: str) -> Callable[[Mint, Mapping[str, Any]], str]:
    return lambda mint, claims: mint.mint(drop=(name,), **claims)


def _with(name: str, value: object) -> Callable[[Mint, Mapping[str, Any]], str]:
    return lambda mint, claims: mint.mint(**{**claims, name: value})


def _wrong_type(mint: Mint, claims: Mapping[str, Any]) -> str:
    return mint.mint(typ="JWT", **claims)


def _endless(mint: Mint, claims: Mapping[str, Any]) -> str:
    marker = '"exp":0'
    text = json.dumps({**mint.claims(**claims), "exp": 0}, separators=(",", ":")).replace(marker, '"exp":1e400')
    return compact(mint.header(), text.encode(), mint.keys["ES256"].sign)


def _repeated_claim(mint: Mint, claims: Mapping[str, Any]) -> str:
    text = json.dumps(mint.claims(**claims), separators=(",", ":"))
    return compact(mint.header(), f'{{"sub":"another-subject",{text[1:]}'.encode(), mint.keys["ES256"].sign)


def _padded(mint: Mint, claims: Mapping[str, Any]) -> str:
    # The 64 bytes of an ES256 signature take 86 characters, so the canonical padding has two.
    return mint.mint(**claims) + "=="


def _loose_bits(mint: Mint, claims: Mapping[str, Any]) -> str:
    # The last of 86 characters carries two bits of the signature and four bits that are zero in canonical form.
    token = mint.mint(**claims)
    return token[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[token[-1]]


_FORGERS: dict[Forgery, Callable[[Mint, Mapping[str, Any]], str]] = {
    Forgery.OTHER_KEY: _other_key,
    Forgery.UNKNOWN_KID: _unknown_kid,
    Forgery.UNSIGNED: _unsigned("none"),
    Forgery.UNSIGNED_ODD_CASE: _unsigned("nOnE"),
    Forgery.STRIPPED: _stripped,
    Forgery.CONFUSED: _confused,
    Forgery.TAMPERED: _tampered,
    Forgery.EMBEDDED_KEY: _embedded_key,
    Forgery.REMOTE_KEY: _remote_key,
    Forgery.CRITICAL: _critical,
    Forgery.NO_ISSUER: _without("iss"),
    Forgery.NO_SUBJECT: _without("sub"),
    Forgery.NO_AUDIENCE: _without("aud"),
    Forgery.NO_EXPIRY: _without("exp"),
    Forgery.OTHER_ISSUER: _with("iss", "https://other-issuer.test"),
    Forgery.OTHER_AUDIENCE: _with("aud", "https://other-service.test"),
    Forgery.WRONG_TYPE: _wrong_type,
    Forgery.ENDLESS: _endless,
    Forgery.BOOLEAN_EXPIRY: _with("exp", value=True),
    Forgery.REPEATED_CLAIM: _repeated_claim,
    Forgery.PADDED: _padded,
    Forgery.LOOSE_BITS: _loose_bits,
}
