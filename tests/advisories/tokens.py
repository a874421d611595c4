"""Tokens for the attacks of the ledger: whatever somebody might sign or spell, with the issuer's own keys or others."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from authguard.testing.keys import SigningKey, compact, segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.testing import Mint
    from tests.advisories.scene import Scene


def claims(scene: Scene, drop: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """Give the claims of the victim's good token, changed."""
    return scene.mint.claims(**({"scope": "chat", "acr": "aal2", "account_status": "ok", "drop": drop} | changes))


def payload(scene: Scene, raw: bytes) -> str:
    """Sign whatever bytes, truly."""
    return compact(scene.mint.header(), raw, scene.mint.keys["ES256"].sign)


def spelled(scene: Scene, name: str, digits: str) -> str:
    """Sign the good claims with one of them spelled as it stands here."""
    text = json.dumps(claims(scene) | {name: "@"}).replace('"@"', digits)
    return payload(scene, text.encode())


def headed(scene: Scene, **header: Any) -> str:
    """Sign the good claims, truly, under a header with these members."""
    return compact(scene.mint.header() | header, claims(scene), scene.mint.keys["ES256"].sign)


def by_stranger(scene: Scene, **header: Any) -> str:
    """Sign the good claims with a stranger's key."""
    stranger = SigningKey.generate("ES256")
    offered = {name: stranger.jwk() if value is ... else value for name, value in header.items()}
    return compact(scene.mint.header() | offered, claims(scene), stranger.sign)


def by_secret(scene: Scene, secret: bytes, alg: str = "RS256") -> str:
    """Sign by HS256 with a secret of the attacker's choice, under a published key's name."""
    mint: Mint = scene.mint
    header = mint.header(alg) | {"alg": "HS256"}  # type: ignore[arg-type]  # one of the mint's
    return compact(header, claims(scene), lambda message: _hmac(secret, message))


def signed_as(scene: Scene, signature: bytes, alg: str = "ES256") -> str:
    """Put a signature under the good claims."""
    return compact(scene.mint.header(alg), claims(scene), lambda _: signature)  # type: ignore[arg-type]  # one of the mint's


def parts(token: str) -> list[str]:
    """Split a token."""
    return token.split(".")


def encrypted(**header: Any) -> str:
    """Spell an encrypted token of five parts."""
    head = segment(json.dumps({"alg": "dir", "enc": "A256GCM", **header}).encode())
    return ".".join((head, "", segment(b"i" * 12), segment(b"c" * 64), segment(b"t" * 16)))


def as_json(token: str, more: Mapping[str, Any] | None = None) -> str:
    """Give the flattened JSON form of a token (RFC 7515 7.2.2)."""
    head, body, signature = parts(token)
    return json.dumps({"protected": head, "payload": body, "signature": signature, **(more or {})})


def _hmac(secret: bytes, message: bytes) -> bytes:
    """Sign without PyJWT, which rightly refuses a public key as a secret."""
    return hmac.new(secret, message, sha256).digest()
