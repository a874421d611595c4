"""Attacks on where keys come from, what they are and how they change."""

from __future__ import annotations

from typing import Final

from tests.requirements import INVALID, UNPROVEN, Attack

ATTACKS: Final = (
    Attack("keys-roca", "CVE-2017-15361", "Factor a published key that a weak generator made (ROCA).", INVALID),
    Attack("keys-close-primes", "CVE-2022-26320", "Factor a published key whose primes are neighbours.", INVALID),
    Attack("keys-short-rsa", "RFC 7518 3.3", "Factor a published RSA key of 1024 bits.", INVALID),
    Attack("keys-small-exponent", "CVE-2006-4339", "Forge under a published key whose exponent is 3.", INVALID),
    Attack("keys-small-order", "RFC 8032 5.1.7", "Forge under a published Ed25519 key of small order.", INVALID),
    Attack("keys-off-curve", "CVE-2017-12974", "Use a published elliptic key that is not on its curve.", INVALID),
    Attack("keys-same-name", "RFC 7517 4.5", "Sign with a third key under the name of two good ones.", INVALID),
    Attack("keys-for-encryption", "RFC 7517 4.2", "Sign with a key that is published for encryption.", INVALID),
    Attack("keys-for-signing-only", "RFC 7517 4.3", "Use a key whose operations do not name `verify`.", INVALID),
    Attack("keys-other-alg", "RFC 7517 4.4", "Use a key that names another algorithm than its type's.", INVALID),
    Attack("keys-private-half", "RFC 7517 9.3", "Sign with a key whose private half is published too.", INVALID),
    Attack("keys-published-secret", "CVE-2022-23541", "Sign by HS256 with a secret that the set publishes.", INVALID),
    Attack(
        "keys-of-other-issuer", "RFC 8725 3.8, keys", "Sign as one issuer with another trusted issuer's key.", INVALID
    ),
    Attack("keys-name-of-other-issuer", "OIDC Core 10.1.1", "Do so under a name that both issuers use.", INVALID),
    Attack("keys-withdrawn", "NIST SP 800-57 5.3", "Use a token, remembered as good, of a withdrawn key.", INVALID),
    Attack("keys-made-up-names", "FIELD 3, jazz#340", "Name made-up keys, so that the issuer is flooded.", UNPROVEN),
    Attack("keys-made-up-name", "RFC 8725 3.10, unknown kid", "Name one made-up key again and again.", INVALID),
    Attack(
        "keys-stale", "FIELD 3, apollo-mcp-server#777", "Cut the issuer off, to live on old keys for ever.", UNPROVEN
    ),
    Attack("keys-unreachable", "FIELD 3, envoy#6119", "Cut the issuer off before any key is known.", UNPROVEN),
    Attack("keys-refused", "FIELD 3, micronaut-security#155", "Let the issuer answer with 503.", UNPROVEN),
    Attack("keys-redirected", "RFC 9110 15.4", "Redirect the guard's fetch to another host.", UNPROVEN),
    Attack("keys-compressed", "RFC 9110 8.4.1", "Answer the guard's fetch with a compressed bomb.", UNPROVEN),
    Attack("keys-endless", "RFC 9112 6.3", "Answer the guard's fetch without end.", UNPROVEN),
    Attack("keys-too-many", "RFC 7517 5", "Publish thousands of keys.", UNPROVEN),
    Attack("keys-twice", "RFC 7517 4", "Give `keys` twice in one set.", UNPROVEN),
    Attack("keys-deep", "RFC 8259 9, in a set", "Nest thousands of arrays in a key set.", UNPROVEN),
    Attack("keys-none", "RFC 7517 5.1", "Publish an empty set, so that all tokens look forged.", UNPROVEN),
    Attack("keys-unasked-304", "RFC 9110 15.4.5", "Say `not modified` to whoever knows nothing yet.", UNPROVEN),
    Attack("keys-metadata-of-other", "RFC 8414 3.3", "Publish metadata that names another issuer.", UNPROVEN),
    Attack("keys-without-tls", "RFC 8414 6.1", "Lead from the metadata to an address without TLS.", UNPROVEN),
    Attack("keys-local-file", "RFC 8414 2", "Lead from the metadata to a file or another scheme.", UNPROVEN),
    Attack("keys-user-in-address", "RFC 3986 7.6", "Lead to another host behind a trusted one's name.", UNPROVEN),
)
