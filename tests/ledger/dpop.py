"""Attacks on tokens that are bound to a key, and on the proofs that come with them (RFC 9449)."""

from __future__ import annotations

from typing import Final

from tests.requirements import Attack, Reply, Requirement

#: what every challenge of such a deployment ends in
_END: Final = (
    'resource_metadata="https://shop.test/.well-known/oauth-protected-resource/chat", '
    'algs="ES256 ES384 Ed25519 EdDSA PS256 RS256"'
)
INVALID: Final = Reply(
    name="invalid_token by DPoP",
    status=401,
    outcome="challenge",
    challenge=f'DPoP error="invalid_token", error_description="the access token is not valid", {_END}',
)
MISSING: Final = Reply(name="missing by DPoP", status=401, outcome="challenge", challenge=f"DPoP {_END}")
PROOF: Final = Reply(
    name="invalid_dpop_proof",
    status=401,
    outcome="challenge",
    challenge=f'DPoP error="invalid_dpop_proof", error_description="the proof of possession is not valid", {_END}',
)
NONCE: Final = Reply(
    name="use_dpop_nonce",
    status=401,
    outcome="challenge",
    challenge=(
        'DPoP error="use_dpop_nonce", '
        f'error_description="the proof of possession must contain the nonce of this response", {_END}'
    ),
)

ATTACKS: Final = (
    Attack("dpop-absent", "RFC 9449 7.1, no proof", "Send a stolen bound token with no proof at all.", PROOF),
    Attack(
        "dpop-two-fields", "RFC 9449 4.3, check 1", "Send two proofs, hoping that each is checked by another.", PROOF
    ),
    Attack("dpop-list", "RFC 9110 5.3, proofs", "Send two proofs in one field, with a comma between them.", PROOF),
    Attack("dpop-no-jwt", "RFC 9449 4.3, check 2", "Send something that is no JWT as a proof.", PROOF),
    Attack("dpop-claims", "RFC 9449 4.3, check 3", "Leave out a claim that a later check would read.", PROOF),
    Attack("dpop-typ", "RFC 9449 4.3, check 4", "Send a JWT that was signed for something else as a proof.", PROOF),
    Attack("dpop-none", "RFC 9449 4.3, check 5", "Send an unsigned proof with the victim's public key.", PROOF),
    Attack("dpop-symmetric", "RFC 9449 11.6", "Sign a proof with a shared secret, the key in its own header.", PROOF),
    Attack("dpop-signature", "RFC 9449 4.3, check 6", "Bring the victim's public key, sign with another.", PROOF),
    Attack(
        "dpop-private", "RFC 9449 4.3, check 7", "Bring a key with its private half, as no honest client does.", PROOF
    ),
    Attack("dpop-method", "RFC 9449 4.3, check 8", "Use a proof for a read to write.", PROOF),
    Attack("dpop-address", "RFC 9449 4.3, check 9", "Use a proof for one address at another.", PROOF),
    Attack("dpop-host", "RFC 9110 7.2", "Have a proof made for an evil host, and name that in the Host header.", PROOF),
    Attack(
        "dpop-userinfo", "RFC 3986 7.6, proofs", "Hide another host behind a user's name in the proof's address.", PROOF
    ),
    Attack("dpop-relative", "RFC 9449 4.2, htu", "Name no host at all in the proof's address.", PROOF),
    Attack("dpop-old", "RFC 9449 4.3, check 11", "Use a proof that was stolen a while ago.", PROOF),
    Attack("dpop-future", "RFC 9449 11.2", "Have a proof made in advance, for later.", PROOF),
    Attack("dpop-replay", "RFC 9449 11.1", "Send the victim's own request again, to the byte.", PROOF),
    Attack("dpop-no-ath", "RFC 9449 4.2, ath", "Use a proof that was made for the token endpoint.", PROOF),
    Attack(
        "dpop-other-ath", "RFC 9449 4.3, check 12", "Use a proof that was made for another token of the key.", PROOF
    ),
    Attack("dpop-other-key", "RFC 9449 6.1", "Prove possession of one's own key, with a stolen token.", INVALID),
    Attack("dpop-downgrade", "RFC 9449 7.2", "Send a stolen bound token as a bearer token.", INVALID),
    Attack("dpop-unbound", "RFC 9449 7.1, unbound", "Send an unbound token with a proof of any key.", INVALID),
    Attack("dpop-bearer", "ASVS 10.3.5", "Send a stolen unbound token to a service that wants bound ones.", INVALID),
    Attack(
        "dpop-certificate",
        "RFC 8705 3, proofs",
        "Send a token that is bound to a certificate, without the certificate.",
        INVALID,
    ),
    Attack(
        "dpop-odd-binding",
        "RFC 7800 3.1, proofs",
        "Send a token that is bound in a way that nobody here knows.",
        INVALID,
    ),
    Attack("dpop-no-nonce", "RFC 9449 9", "Leave out the nonce, with a proof that was made in advance.", NONCE),
    Attack("dpop-old-nonce", "RFC 9449 8", "Use a proof that names a nonce of an earlier hour.", NONCE),
    Attack("dpop-foreign-nonce", "RFC 9449 11.3", "Make up a nonce.", NONCE),
    Attack("dpop-large", "FIELD 4, cap what is read", "Send a proof of a megabyte.", PROOF),
    Attack("dpop-twice", "RFC 8725 2.6, proofs", "Name a claim twice, so that two readers see two proofs.", PROOF),
    Attack("dpop-critical", "RFC 7515 4.1.11, proofs", "Name an extension that must be understood, in a proof.", PROOF),
    Attack("dpop-weak", "RFC 7518 3.3, proofs", "Bind a token to a key that can be factored.", PROOF),
    Attack("dpop-swap", "RFC 8725 3.1, proofs", "Name another algorithm than the key is for.", PROOF),
    Attack("dpop-token-as-proof", "RFC 8725 3.12", "Send the access token as its own proof.", PROOF),
    Attack("dpop-proof-as-token", "RFC 8725 3.11, proofs", "Send a proof as an access token.", INVALID),
    Attack(
        "dpop-bare", "FIELD 5.10", "Send a bound token that is remembered as good, with no scheme before it.", MISSING
    ),
)

REQUIREMENTS: Final = (
    Requirement(
        "RFC 9449 7.1",
        "A bound token counts with a good proof.",
        ("tests/credentials/test_token_validator.py::test_a_bound_token_counts_with_a_proof",),
    ),
    Requirement(
        "RFC 9449 8.2",
        "A nonce is replaced in good time, on an answer that lets through.",
        ("tests/credentials/test_token_validator.py::test_a_nonce_of_the_step_before_counts_and_the_next_is_told",),
    ),
)
