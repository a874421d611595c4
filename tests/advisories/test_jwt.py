"""Attacks on the signature, the header and the spelling of JWTs; each is refused like every other."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode, urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authguard.core.outcomes import Reason
from authguard.testing import Forgery, forge
from authguard.testing.keys import compact, segment
from tests.advisories import tokens
from tests.requirements import attack, attack_each

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.advisories.scene import Scene, Strike

    Case = tuple[Callable[[Scene], str | bytes], Reason]

MALFORMED, REFUSED = Reason.CREDENTIAL_MALFORMED, Reason.ALGORITHM_REFUSED
INVALID, UNKNOWN = Reason.SIGNATURE_INVALID, Reason.KEY_UNKNOWN
#: the order of P-256, and that of edwards25519
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
L25519 = 2**252 + 27742317777372353535851937790883648493


def _forged(forgery: Forgery) -> Callable[[Scene], str]:
    return lambda scene: forge(scene.mint, forgery, scope="chat", acr="aal2", account_status="ok")


def _public(scene: Scene, alg: str, encoding: Encoding, form: PublicFormat) -> bytes:
    key: Any = scene.mint.keys[alg]  # type: ignore[index]  # one of the mint's
    raw: bytes = key.private.public_key().public_bytes(encoding, form)
    return raw


def _confused(alg: str, encoding: Encoding, form: PublicFormat) -> Callable[[Scene], str]:
    return lambda scene: tokens.by_secret(scene, _public(scene, alg, encoding, form), alg)


def _spliced(scene: Scene) -> str:
    head, body, _ = tokens.parts(scene.good())
    return ".".join((head, body, tokens.parts(scene.good(sub="another"))[2]))


def _in_der(scene: Scene) -> str:
    head, body, signature = tokens.parts(scene.good())
    raw = urlsafe_b64decode(signature + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    assert decode_dss_signature(der)
    return f"{head}.{body}.{segment(der)}"


def _longer(scene: Scene) -> str:
    head, body, signature = tokens.parts(scene.good())
    return f"{head}.{body}.{segment(urlsafe_b64decode(signature + '==') + b'xx')}"


def _twice_headed(scene: Scene) -> str:
    _, body, signature = tokens.parts(scene.good())
    head = segment(b'{"alg":"none",' + json.dumps(scene.mint.header()).encode()[1:])
    return f"{head}.{body}.{signature}"


def _nested(scene: Scene) -> str:
    header = scene.mint.header() | {"cty": "JWT"}
    return compact(header, scene.good().encode(), scene.mint.keys["ES256"].sign)


def _general(scene: Scene) -> str:
    head, body, signature = tokens.parts(scene.good())
    signatures = [{"protected": head, "signature": signature}, {"protected": head, "signature": "AAAA"}]
    return json.dumps({"payload": body, "signatures": signatures})


def _bomb(_: Scene) -> str:
    packed = zlib.compress(b"0" * 8_000_000)[2:-4]
    head, _, vector, _, tag = tokens.parts(tokens.encrypted(zip="DEF"))
    return ".".join((head, "", vector, segment(packed), tag))


CASES: dict[str, Case] = {
    "jwt-none": (_forged(Forgery.UNSIGNED), MALFORMED),
    "jwt-none-odd-case": (_forged(Forgery.UNSIGNED_ODD_CASE), MALFORMED),
    "jwt-none-signed": (lambda scene: tokens.headed(scene, alg="none"), REFUSED),
    "jwt-null-signature": (_forged(Forgery.STRIPPED), MALFORMED),
    "jwt-confused-pem": (_forged(Forgery.CONFUSED), REFUSED),
    "jwt-confused-pkcs1": (_confused("RS256", Encoding.PEM, PublicFormat.PKCS1), REFUSED),
    "jwt-confused-ssh": (_confused("ES256", Encoding.OpenSSH, PublicFormat.OpenSSH), REFUSED),
    "jwt-confused-der": (_confused("RS256", Encoding.DER, PublicFormat.SubjectPublicKeyInfo), REFUSED),
    "jwt-confused-jwk": (
        lambda scene: tokens.by_secret(scene, json.dumps(scene.mint.keys["RS256"].jwk()).encode()),
        REFUSED,
    ),
    "jwt-empty-secret": (lambda scene: tokens.by_secret(scene, b""), REFUSED),
    "jwt-secret-is-path": (lambda scene: tokens.by_secret(scene, b"keys.json"), REFUSED),
    "jwt-alg-of-token": (lambda scene: scene.good(alg="RS256"), REFUSED),
    "jwt-embedded-jwk": (lambda scene: tokens.by_stranger(scene, jwk=...), INVALID),
    "jwt-x5c": (lambda scene: tokens.by_stranger(scene, x5c=[b64encode(b"\x30" * 300).decode()]), INVALID),
    "jwt-kid-null": (lambda scene: tokens.headed(scene, kid=None), MALFORMED),
    "jwt-kid-endless": (lambda scene: tokens.headed(scene, kid="k" * 4_000), MALFORMED),
    "jwt-kid-path": (lambda scene: tokens.by_stranger(scene, kid="../../../../dev/null"), UNKNOWN),
    "jwt-kid-sql": (lambda scene: tokens.by_stranger(scene, kid="' UNION SELECT 'secret"), UNKNOWN),
    "jwt-kid-unicode": (lambda scene: tokens.headed(scene, kid=scene.mint.keys["ES256"].kid.upper()), UNKNOWN),
    "jwt-other-key": (tokens.by_stranger, INVALID),
    "jwt-tampered": (_forged(Forgery.TAMPERED), INVALID),
    "jwt-spliced": (_spliced, INVALID),
    "jwt-psychic": (lambda scene: tokens.signed_as(scene, b"\0" * 64), INVALID),
    "jwt-psychic-order": (lambda scene: tokens.signed_as(scene, P256.to_bytes(32) * 2), INVALID),
    "jwt-der-signature": (_in_der, INVALID),
    "jwt-longer-signature": (_longer, INVALID),
    "jwt-crit-unknown": (_forged(Forgery.CRITICAL), MALFORMED),
    "jwt-crit-empty": (lambda scene: tokens.headed(scene, crit=[]), MALFORMED),
    "jwt-crit-known": (lambda scene: tokens.headed(scene, crit=["exp"], exp=1), MALFORMED),
    "jwt-b64-false": (lambda scene: tokens.headed(scene, crit=["b64"], b64=False), MALFORMED),
    "jwt-header-twice": (_twice_headed, MALFORMED),
    "jwt-claim-twice": (_forged(Forgery.REPEATED_CLAIM), MALFORMED),
    "jwt-padded": (_forged(Forgery.PADDED), MALFORMED),
    "jwt-loose-bits": (_forged(Forgery.LOOSE_BITS), MALFORMED),
    "jwt-other-alphabet": (
        lambda scene: scene.good(note="\u00ff\u00fe?>" * 30).replace("-", "+").replace("_", "/") + "+/A",
        MALFORMED,
    ),
    "jwt-line-break": (lambda scene: scene.good().replace(".", ".\r\n "), MALFORMED),
    "jwt-json-form": (lambda scene: tokens.as_json(scene.good(), {"  ": ".."}), MALFORMED),
    "jwt-json-general": (_general, MALFORMED),
    "jwt-many-dots": (lambda _: "." * 16_000, MALFORMED),
    "jwt-many-dots-odd": (lambda scene: scene.good() + "." * 8_000, MALFORMED),
    "jwt-too-large": (lambda scene: scene.good(note="x" * 17_000), Reason.TOKEN_TOO_LARGE),
    "jwt-jwe": (lambda _: tokens.encrypted(), MALFORMED),
    "jwt-jwe-p2c": (lambda _: tokens.encrypted(alg="PBES2-HS256+A128KW", p2c=2**31 - 1, p2s="AAAA"), MALFORMED),
    "jwt-jwe-bomb": (_bomb, MALFORMED),
    "jwt-nested": (_nested, MALFORMED),
    "jwt-deep": (
        lambda scene: tokens.payload(scene, b'{"iss":' + b"[" * 8_000 + b"]" * 3_000),
        Reason.TOKEN_TOO_COMPLEX,
    ),
    "jwt-wide": (lambda scene: tokens.payload(scene, b'{"iss":[' + b"{}," * 3_000 + b"{}]}"), Reason.TOKEN_TOO_COMPLEX),
    "jwt-surrogate": (lambda scene: tokens.spelled(scene, "sub", '"\\ud800"'), MALFORMED),
    "jwt-utf16": (lambda scene: tokens.payload(scene, json.dumps(tokens.claims(scene)).encode("utf-16")), MALFORMED),
    "jwt-mark": (lambda scene: tokens.payload(scene, json.dumps(tokens.claims(scene)).encode("utf-8-sig")), MALFORMED),
    "jwt-not-utf8": (lambda scene: tokens.payload(scene, b'{"sub":"\xc0\xaf","iss":"i"}'), MALFORMED),
    "jwt-array": (lambda scene: tokens.payload(scene, json.dumps([tokens.claims(scene)]).encode()), MALFORMED),
    "jwt-trailing": (
        lambda scene: tokens.payload(scene, json.dumps(tokens.claims(scene)).encode() + b'{"sub":"x"}'),
        MALFORMED,
    ),
}


@attack_each(CASES)
async def test_a_token_that_is_not_what_it_says(strike: Strike, case: Case) -> None:
    forger, reason = case
    await strike(forger(strike.scene), reason)


@attack("jwt-key-of-other-alg")
async def test_a_key_of_another_type(strike: Strike) -> None:
    scene = strike.at(algorithms="algorithms: [ES256, RS256]")
    await strike(tokens.headed(scene, kid=scene.mint.keys["RS256"].kid), REFUSED)


@attack("jwt-other-hash")
async def test_a_key_under_another_algorithm(strike: Strike) -> None:
    scene = strike.at(algorithms="algorithms: [ES256, RS256, PS256]")
    key: Any = scene.mint.keys["RS256"].private
    pss = jwt.get_algorithm_by_name("PS256")
    header = scene.mint.header("RS256") | {"alg": "PS256"}
    await strike(compact(header, tokens.claims(scene), lambda message: pss.sign(message, key)), REFUSED)


@attack_each({"jwt-jku": "jku", "jwt-x5u": "x5u"})
async def test_an_address_in_the_header_is_never_fetched(strike: Strike, case: str) -> None:
    async def fetched(request: Any) -> Any:
        raise AssertionError(f"fetched {request.url}")

    from httpx2 import AsyncClient, MockTransport  # noqa: PLC0415 - only here

    async with AsyncClient(transport=MockTransport(fetched)) as client:
        scene = strike.at(network=client)
        await strike(tokens.by_stranger(scene, **{case: "https://keys.invalid/set"}), INVALID)


@attack("jwt-malleable-ed25519")
async def test_a_second_signature_made_of_the_first(strike: Strike) -> None:
    scene = strike.at(algorithms="algorithms: [ES256, EdDSA]")
    head, body, signature = tokens.parts(scene.good(alg="EdDSA"))
    raw = urlsafe_b64decode(signature + "==")
    other = raw[:32] + (int.from_bytes(raw[32:], "little") + L25519).to_bytes(32, "little")
    await strike(f"{head}.{body}.{segment(other)}", INVALID)


@attack("jwt-rsa-zero")
async def test_an_rsa_signature_of_zeros(strike: Strike) -> None:
    scene = strike.at(algorithms="algorithms: [ES256, RS256]")
    await strike(tokens.signed_as(scene, b"\0" * 256, "RS256"), INVALID)


@attack("jwt-signature-told")
async def test_the_right_signature_is_not_in_the_answer(strike: Strike) -> None:
    head, body, signature = tokens.parts(strike.scene.good())
    answer = await strike(f"{head}.{body}.{segment(b'x' * 64)}", INVALID)
    assert signature.encode() not in answer.body
    assert signature.encode() not in (strike.scene.folder / "audit.jsonl").read_bytes()


@attack("jwt-hmac-timing")
async def test_a_guess_of_a_secret_signature(strike: Strike) -> None:
    secret = "s" * 48
    scene = strike.at(keys="keys: {secret_env: SECRET}", algorithms="algorithms: [HS256]", environ={"SECRET": secret})

    def mint(**changes: Any) -> str:
        return compact({"alg": "HS256", "typ": "at+jwt"}, tokens.claims(scene, **changes), sign)

    def sign(message: bytes) -> bytes:
        return jwt.get_algorithm_by_name("HS256").sign(message, secret.encode())

    token = mint()
    await strike.settle(token)
    head, body, signature = tokens.parts(token)
    right = urlsafe_b64decode(signature + "==")
    answers = [
        await strike(
            f"{head}.{body}.{segment(right[:count] + bytes([right[count] ^ 1]) + right[count + 1 :])}", INVALID
        )
        for count in (0, 31)
    ]
    first, last = (answer.body.partition(b"urn:authguard:record:")[0] for answer in answers)
    assert first == last
