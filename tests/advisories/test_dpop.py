"""Attacks on bound tokens and their proofs, each with the entry of the ledger that it plays."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from authguard.core.outcomes import Reason
from authguard.testing import DpopClient, SigningKey
from authguard.testing.keys import compact, segment
from tests.advisories.scene import KEYS
from tests.requirements import attack

if TYPE_CHECKING:
    from tests.advisories.scene import Scene, Strike

ORIGIN = "https://shop.test"
CHAT = f"{ORIGIN}/chat"
PUBLIC = ("agents:", f"settings: {{public_url: '{ORIGIN}'}}\nagents:")


class Held:
    """A deployment that wants bound tokens, and a victim with a key; the thief has the token, and what was proven."""

    def __init__(self, strike: Strike, sender: str = "dpop") -> None:
        self.strike = strike
        self.scene: Scene = strike.at(keys=f"{KEYS}\n    sender_constraint: {sender}", replace=[PUBLIC])
        self.client = DpopClient.create(self.scene.clock)
        self.token = self.scene.good(cnf=self.client.confirmation)
        self.nonce: str | None = None
        strike.beside = lambda: (field(self.proof()),)

    def proof(self, **claims: Any) -> str:
        """Prove as the victim does, but for what is given."""
        return self.client.proof("POST", CHAT, self.token, **{"nonce": self.nonce, **claims})

    async def steal(self, *proofs: str, reason: Reason = Reason.PROOF_INVALID, token: str = "") -> None:
        """Send the victim's token with these proofs, and be refused."""
        await self.settle()
        fields = [field(proof) for proof in proofs]
        await self.strike(token or self.token, reason, *fields, scheme=b"DPoP")

    async def settle(self) -> None:
        """Let the victim in, once."""
        if not self.strike.count:
            await self.strike.settle(self.token, b"DPoP")


def field(proof: str) -> tuple[bytes, bytes]:
    return b"dpop", proof.encode()


@pytest.fixture
def held(strike: Strike) -> Held:
    return Held(strike)


@attack("dpop-absent")
async def test_no_proof(held: Held) -> None:
    await held.steal()


@attack("dpop-two-fields")
async def test_two_proofs(held: Held) -> None:
    await held.steal(held.proof(), held.proof())


@attack("dpop-list")
@pytest.mark.parametrize("between", [",", ", "])
async def test_two_proofs_in_one_field(held: Held, between: str) -> None:
    await held.steal(f"{held.proof()}{between}{held.proof()}")


@attack("dpop-no-jwt")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda proof: proof[:0],
        lambda proof: proof[:1],
        lambda proof: proof.rpartition(".")[0],
        lambda proof: f"{proof}.AAAA",
        lambda proof: f"{proof}==",
        lambda proof: f" {proof}",
        lambda proof: proof.replace(".", "..", 1),
        lambda proof: f"AAAA{proof[4:]}",
        lambda proof: json.dumps({"protected": proof.split(".")[0]}),
    ],
)
async def test_what_is_no_jwt(held: Held, spoil: Any) -> None:
    await held.steal(spoil(held.proof()))


@attack("dpop-claims")
@pytest.mark.parametrize(
    "claims",
    [
        {"drop": ("jti",)},
        {"drop": ("htm",)},
        {"drop": ("htu",)},
        {"drop": ("iat",)},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 256},
        {"htm": ["POST"]},
        {"htu": [CHAT]},
        {"iat": "1800000000"},
        {"iat": True},
        {"iat": -1},
        {"ath": 7},
    ],
)
async def test_claims_that_are_missing_or_none(held: Held, claims: dict[str, Any]) -> None:
    await held.steal(held.proof(**claims))


@attack("dpop-typ")
@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": "at+jwt"}, {"typ": ["dpop+jwt"]}, {"typ": None}])
async def test_a_jwt_for_something_else(held: Held, header: dict[str, Any]) -> None:
    await held.steal(held.proof(header=header))


@attack("dpop-none")
@pytest.mark.parametrize("name", ["none", "None", "nOnE"])
@pytest.mark.parametrize("signature", [b"", b"x"])
async def test_an_unsigned_proof(held: Held, name: str, signature: bytes) -> None:
    head = {"typ": "dpop+jwt", "alg": name, "jwk": held.client.jwk}
    await held.steal(compact(head, _claims(held.proof()), lambda _: signature))


@attack("dpop-symmetric")
async def test_a_proof_that_is_signed_with_a_shared_secret(held: Held) -> None:
    shared = SigningKey.generate("HS256")
    assert isinstance(shared.private, bytes)
    jwk = {"kty": "oct", "k": segment(shared.private)}
    await held.steal(compact({"typ": "dpop+jwt", "alg": "HS256", "jwk": jwk}, _claims(held.proof()), shared.sign))


@attack("dpop-signature")
async def test_the_victims_key_and_another_signature(held: Held) -> None:
    other = SigningKey.generate("ES256")
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": held.client.jwk}
    await held.steal(compact(head, _claims(held.proof()), other.sign))
    changed = _claims(held.proof()) | {"htu": CHAT, "jti": "another"}
    whole = held.proof()
    payload = segment(json.dumps(changed).encode())
    await held.steal(".".join((whole.split(".")[0], payload, whole.split(".")[2])))


@attack("dpop-private")
async def test_a_key_with_its_private_half(held: Held) -> None:
    numbers = held.client.key.private.private_numbers()  # type: ignore[union-attr]  # it is an elliptic curve's
    d = urlsafe_b64encode(numbers.private_value.to_bytes(32, "big")).rstrip(b"=").decode()
    await held.steal(held.proof(header={"jwk": held.client.jwk | {"d": d}}))


@attack("dpop-method")
@pytest.mark.parametrize("method", ["GET", "post", "POST ", "PUT"])
async def test_a_proof_for_another_method(held: Held, method: str) -> None:
    await held.steal(held.proof(htm=method))


@attack("dpop-address")
@pytest.mark.parametrize(
    "address",
    [
        f"{ORIGIN}/healthz",
        f"{ORIGIN}/chat/",
        f"{ORIGIN}/",
        f"{ORIGIN}/CHAT",
        f"{ORIGIN}/a/../chat",
        "http://shop.test/chat",
        "https://shop.test:8443/chat",
        "https://other.test/chat",
        "https://shop.test.evil.test/chat",
        "https://shop.test\\@evil.test/chat",
    ],
)
async def test_a_proof_for_another_address(held: Held, address: str) -> None:
    await held.steal(held.proof(htu=address))


@attack("dpop-host")
async def test_a_host_that_the_caller_names(held: Held) -> None:
    await held.settle()
    proof = field(held.proof(htu="http://evil.test/chat"))
    for name in (b"host", b"x-forwarded-host", b"forwarded"):
        value = b"host=evil.test;proto=http" if name == b"forwarded" else b"evil.test"
        await held.strike(held.token, Reason.PROOF_INVALID, proof, (name, value), scheme=b"DPoP")


@attack("dpop-userinfo")
@pytest.mark.parametrize("address", ["https://shop.test@evil.test/chat", "https://evil@shop.test/chat"])
async def test_another_host_behind_a_name(held: Held, address: str) -> None:
    await held.steal(held.proof(htu=address))


@attack("dpop-relative")
@pytest.mark.parametrize("address", ["/chat", "//shop.test/chat", "", "https:/chat", "chat"])
async def test_an_address_without_a_host(held: Held, address: str) -> None:
    await held.steal(held.proof(htu=address))


@attack("dpop-old")
async def test_a_proof_of_a_while_ago(held: Held) -> None:
    old = held.proof()
    await held.settle()
    held.scene.clock.advance(61)
    await held.steal(old)


@attack("dpop-future")
async def test_a_proof_for_later(held: Held) -> None:
    await held.steal(held.proof(iat=held.scene.clock.now() + 31))


@attack("dpop-replay")
async def test_the_same_request_again(held: Held) -> None:
    await held.settle()
    proof = held.proof()
    answer = await held.scene.send((b"authorization", b"DPoP " + held.token.encode()), field(proof))
    assert answer.status == 200
    for moment in (0, 30, 29):
        held.scene.clock.advance(moment)
        await held.strike.settle(held.token, b"DPoP")
        await held.steal(proof, reason=Reason.PROOF_REPLAYED)


@attack("dpop-no-ath")
async def test_a_proof_for_the_token_endpoint(held: Held) -> None:
    await held.steal(held.proof(drop=("ath",)))
    await held.steal(held.proof(ath=""))


@attack("dpop-other-ath")
async def test_a_proof_for_another_token(held: Held) -> None:
    other = held.scene.good(cnf=held.client.confirmation, scope="chat refunds")
    await held.steal(held.client.proof("POST", CHAT, other))


@attack("dpop-other-key")
async def test_a_proof_of_ones_own_key(held: Held) -> None:
    thief = DpopClient.create(held.scene.clock)
    await held.steal(thief.proof("POST", CHAT, held.token), reason=Reason.BOUND_TOKEN)


@attack("dpop-downgrade")
async def test_a_bound_token_as_a_bearer_token(held: Held) -> None:
    await held.settle()
    await held.strike(held.token, Reason.BOUND_TOKEN)
    await held.strike(held.token, Reason.BOUND_TOKEN, field(held.proof()))


@attack("dpop-unbound")
async def test_an_unbound_token_with_a_proof(held: Held) -> None:
    token = held.scene.good()
    await held.steal(held.client.proof("POST", CHAT, token), reason=Reason.UNBOUND_TOKEN, token=token)


@attack("dpop-bearer")
async def test_an_unbound_token_where_bound_ones_are_wanted(held: Held) -> None:
    await held.settle()
    await held.strike(held.scene.good(), Reason.UNBOUND_TOKEN)


@attack("dpop-certificate")
@pytest.mark.parametrize("both", [False, True])
async def test_a_token_that_is_bound_to_a_certificate(held: Held, both: bool) -> None:  # noqa: FBT001 - a case
    cnf = {"x5t#S256": "A" * 43} | (held.client.confirmation if both else {})
    token = held.scene.good(cnf=cnf)
    await held.settle()
    await held.strike(token, Reason.BOUND_TOKEN)
    await held.steal(held.client.proof("POST", CHAT, token), reason=Reason.BOUND_TOKEN, token=token)


@attack("dpop-odd-binding")
@pytest.mark.parametrize("cnf", [None, {}, [], "x", {"jkt": 7}, {"jkt": ""}, {"jkt": "A" * 44}, {"kid": "k"}])
async def test_a_token_that_is_bound_to_nothing_that_is_known(held: Held, cnf: Any) -> None:
    token = held.scene.good(cnf=cnf)
    reason = Reason.UNBOUND_TOKEN if cnf is None else Reason.BOUND_TOKEN  # `null` is absent
    await held.steal(held.client.proof("POST", CHAT, token), reason=reason, token=token)


async def _with_nonces(strike: Strike) -> Held:
    """Set up a deployment that wants nonces, and give the victim the current one."""
    held = Held(strike, "{type: dpop, window: 10m, nonce: required}")
    answer = await held.scene.send((b"authorization", b"DPoP " + held.token.encode()), field(held.proof()))
    held.nonce = answer.header(b"dpop-nonce")
    assert held.nonce
    return held


@attack("dpop-no-nonce")
async def test_a_proof_without_a_nonce(strike: Strike) -> None:
    held = await _with_nonces(strike)
    await held.steal(held.proof(nonce=None), reason=Reason.NONCE_WANTED)


@attack("dpop-old-nonce")
async def test_a_nonce_of_an_earlier_hour(strike: Strike) -> None:
    held = await _with_nonces(strike)
    old = held.nonce
    held.scene.clock.advance(600)
    held.token = held.scene.good(cnf=held.client.confirmation)
    answer = await held.scene.send((b"authorization", b"DPoP " + held.token.encode()), field(held.proof()))
    held.nonce = answer.header(b"dpop-nonce")
    await held.settle()
    answer = await held.strike(held.token, Reason.NONCE_WANTED, field(held.proof(nonce=old)), scheme=b"DPoP")
    assert answer.header(b"dpop-nonce") == held.nonce


@attack("dpop-foreign-nonce")
@pytest.mark.parametrize("nonce", ["", "made-up", "A" * 24, "\u00e9", "x" * 64])
async def test_a_nonce_that_is_made_up(strike: Strike, nonce: str) -> None:
    held = await _with_nonces(strike)
    await held.steal(held.proof(nonce=nonce), reason=Reason.NONCE_WANTED)


@attack("dpop-large")
@pytest.mark.parametrize("size", [4_096, 1_000_000])
async def test_a_proof_without_end(held: Held, size: int) -> None:
    await held.steal(held.proof(more="x" * size))


@attack("dpop-twice")
@pytest.mark.parametrize("name", ["htu", "jti", "ath"])
async def test_a_claim_that_is_named_twice(held: Held, name: str) -> None:
    claims = _claims(held.proof())
    text = json.dumps(claims)[:-1] + f', "{name}": {json.dumps(claims[name])}}}'
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": held.client.jwk}
    await held.steal(compact(head, text.encode(), held.client.key.sign))


@attack("dpop-critical")
@pytest.mark.parametrize("header", [{"crit": ["x"], "x": 1}, {"crit": []}, {"b64": False, "crit": ["b64"]}])
async def test_an_extension_that_must_be_understood(held: Held, header: dict[str, Any]) -> None:
    await held.steal(held.proof(header=header))


@attack("dpop-weak")
async def test_a_key_that_can_be_factored(held: Held) -> None:
    weak = DpopClient(SigningKey("weak", "RS256", rsa.generate_private_key(65537, 1024)), held.scene.clock)  # noqa: S505 - the attack
    token = held.scene.good(cnf=weak.confirmation)
    await held.steal(weak.proof("POST", CHAT, token), token=token)


@attack("dpop-swap")
@pytest.mark.parametrize("name", ["ES384", "RS256", "PS256", "EdDSA", "HS256", "ES256K", "", 7])
async def test_another_algorithm_than_the_key_is_for(held: Held, name: Any) -> None:
    await held.steal(held.proof(header={"alg": name}))


@attack("dpop-token-as-proof")
async def test_the_access_token_as_its_own_proof(held: Held) -> None:
    await held.steal(held.token)


@attack("dpop-proof-as-token")
async def test_a_proof_as_an_access_token(held: Held) -> None:
    await held.steal(held.proof(), token=held.proof(), reason=Reason.ISSUER_UNKNOWN)
    await held.strike(held.proof(iss=held.scene.mint.issuer), Reason.TYPE_REFUSED)


@attack("dpop-bare")
async def test_a_remembered_token_without_its_scheme(held: Held) -> None:
    await held.settle()
    await held.strike.send((b"authorization", held.token.encode()), reason=Reason.SCHEME_UNKNOWN)


def _claims(proof: str) -> dict[str, Any]:
    part = proof.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found
