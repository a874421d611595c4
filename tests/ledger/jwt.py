"""Attacks on the signature, the header and the spelling of a JWT."""

from __future__ import annotations

from typing import Final

from tests.requirements import INVALID, Attack

ATTACKS: Final = (
    Attack("jwt-none", "CVE-2018-1000531", "Send an unsigned token, `alg: none` and an empty signature.", INVALID),
    Attack("jwt-none-odd-case", "RFC 8725 3.1, names compared", "Spell it `nOnE`, past an exact comparison.", INVALID),
    Attack("jwt-none-signed", "CVE-2022-23540", "Say `alg: none` and bring some signature all the same.", INVALID),
    Attack("jwt-null-signature", "CVE-2020-28042", "Cut the signature off an honest token.", INVALID),
    Attack("jwt-confused-pem", "CVE-2015-9235", "Sign by HS256 with the published RSA key's PEM as secret.", INVALID),
    Attack("jwt-confused-pkcs1", "CVE-2017-11424", "The same with the key's PKCS 1 form, past a block list.", INVALID),
    Attack("jwt-confused-ssh", "CVE-2022-29217", "The same with an elliptic key in OpenSSH's form as secret.", INVALID),
    Attack("jwt-confused-der", "CVE-2024-33663", "The same with the key's DER bytes as secret.", INVALID),
    Attack("jwt-confused-jwk", "CVE-2016-10555", "The same with the JWK's own JSON as secret.", INVALID),
    Attack("jwt-empty-secret", "CVE-2019-20933", "Sign by HS256 with an empty secret.", INVALID),
    Attack("jwt-secret-is-path", "CVE-2021-41106", "Sign by HS256 with the key file's path as secret.", INVALID),
    Attack("jwt-alg-of-token", "CVE-2023-48238", "Name an algorithm that the policy does not list.", INVALID),
    Attack("jwt-key-of-other-alg", "CVE-2021-46743", "Name a key of another type than the algorithm's.", INVALID),
    Attack(
        "jwt-other-hash", "RFC 8725 3.1, one key one algorithm", "Sign by PS256 under a key that says RS256.", INVALID
    ),
    Attack("jwt-embedded-jwk", "CVE-2018-0114", "Bring the key along in the header's `jwk`.", INVALID),
    Attack("jwt-jku", "RFC 8725 3.10, jku", "Offer a key set to fetch in the header's `jku`.", INVALID),
    Attack("jwt-x5u", "RFC 7515 4.1.5", "Offer a certificate to fetch in the header's `x5u`.", INVALID),
    Attack("jwt-x5c", "RFC 7515 4.1.6", "Bring a self-signed certificate along in `x5c`.", INVALID),
    Attack("jwt-kid-path", "RFC 8725 3.10, kid as a path", "Name `../../dev/null`, whose content is known.", INVALID),
    Attack("jwt-kid-sql", "RFC 8725 3.10, kid as a query", "Name `' UNION SELECT 'secret`.", INVALID),
    Attack("jwt-kid-unicode", "RFC 7515 4.1.4", "Name a key by another spelling that folds to its name.", INVALID),
    Attack("jwt-kid-null", "RFC 7515 4.1.4, not a string", "Let `kid` be null, so that a look-up falls back.", INVALID),
    Attack("jwt-kid-endless", "RFC 8725 3.10, length", "Name a key with thousands of characters.", INVALID),
    Attack("jwt-other-key", "RFC 8725 2.2", "Sign with a stranger's key under a published key's name.", INVALID),
    Attack("jwt-tampered", "RFC 7515 5.2", "Change the subject after the token was signed.", INVALID),
    Attack("jwt-spliced", "RFC 7515 5.2, step 8", "Put the signature of one honest token under another.", INVALID),
    Attack("jwt-psychic", "CVE-2022-21449", "Sign by ES256 with r and s of zero.", INVALID),
    Attack("jwt-psychic-order", "RFC 7518 3.4, range", "Sign by ES256 with r and s of the curve's order.", INVALID),
    Attack("jwt-der-signature", "RFC 7518 3.4", "Send the ES256 signature in DER.", INVALID),
    Attack("jwt-longer-signature", "RFC 7518 3.4, length", "Append bytes to an honest ES256 signature.", INVALID),
    Attack(
        "jwt-malleable-ed25519", "RFC 8032 8.4", "Add the group's order to S of an honest EdDSA signature.", INVALID
    ),
    Attack("jwt-rsa-zero", "RFC 8017 8.2.2", "Send an RSA signature of zeros.", INVALID),
    Attack("jwt-crit-unknown", "RFC 7515 4.1.11", "Mark an extension critical that nobody here knows.", INVALID),
    Attack("jwt-crit-empty", "RFC 7515 4.1.11, empty", "Send an empty list of critical extensions.", INVALID),
    Attack(
        "jwt-crit-known", "RFC 7515 4.1.11, registered", "Mark `exp` critical, a name that may not be there.", INVALID
    ),
    Attack("jwt-b64-false", "RFC 7797 6", "Say `b64: false`, so that two readers see two payloads.", INVALID),
    Attack("jwt-header-twice", "RFC 7515 4", "Give `alg` twice, once as each reader likes it.", INVALID),
    Attack("jwt-claim-twice", "RFC 7519 4", "Give `sub` twice: readers disagree about which one counts.", INVALID),
    Attack("jwt-padded", "RFC 7515 2", "Pad the base64url of an honest token: a second spelling of it.", INVALID),
    Attack("jwt-loose-bits", "RFC 4648 3.5", "Set bits that a lax decoder throws away: another spelling.", INVALID),
    Attack("jwt-other-alphabet", "RFC 4648 5", "Write an honest token in the plain base64 alphabet.", INVALID),
    Attack("jwt-line-break", "RFC 8725 3.14, white space", "Break an honest token into lines.", INVALID),
    Attack("jwt-json-form", "CVE-2022-39227", "Send JSON that is an honest token to one reader.", INVALID),
    Attack("jwt-json-general", "RFC 7515 7.2.1", "Send the general JSON form with several signatures.", INVALID),
    Attack("jwt-many-dots", "CVE-2025-30204", "Send thousands of dots to whoever splits at all of them.", INVALID),
    Attack("jwt-many-dots-odd", "CVE-2025-27144", "Append dots to an honest token.", INVALID),
    Attack("jwt-too-large", "RFC 8725 3.14, size", "Send a token of 17 KiB.", INVALID),
    Attack("jwt-jwe", "CVE-2022-3102", "Send an encrypted token where a signed one belongs.", INVALID),
    Attack("jwt-jwe-p2c", "CVE-2023-6681", "Ask for millions of rounds of key derivation.", INVALID),
    Attack("jwt-jwe-bomb", "CVE-2024-33664", "Send a compressed payload that grows a thousandfold.", INVALID),
    Attack("jwt-nested", "RFC 7519 5.2", "Sign a JWT as payload, `cty: JWT`, for whoever unpacks it.", INVALID),
    Attack("jwt-deep", "RFC 8259 9", "Nest thousands of arrays in the payload.", INVALID),
    Attack("jwt-wide", "RFC 8259 9, size", "Put thousands of objects into the payload.", INVALID),
    Attack("jwt-surrogate", "RFC 8259 8.2", "Put half a character into the subject, which no log can hold.", INVALID),
    Attack("jwt-utf16", "RFC 8259 8.1", "Write the payload in UTF-16, which some readers guess.", INVALID),
    Attack("jwt-mark", "RFC 8259 8.1, byte order mark", "Begin the payload with a byte order mark.", INVALID),
    Attack("jwt-not-utf8", "RFC 7519 7.2", "Put an overlong encoding into the payload.", INVALID),
    Attack("jwt-array", "RFC 7519 7.2, step 10", "Let the payload be an array of claims.", INVALID),
    Attack("jwt-trailing", "RFC 8259 2", "Let a second object follow the claims.", INVALID),
    Attack("jwt-signature-told", "CVE-2019-7644", "Forge, and read the right signature in the answer.", INVALID),
    Attack("jwt-hmac-timing", "CVE-2017-18239", "Guess an HMAC byte by byte, by how long a no takes.", INVALID),
)
