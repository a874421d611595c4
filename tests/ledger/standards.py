"""What the standards ask of whoever checks a JWT, line by line (RFC 7519, 8725 and its revision, 9068, 7517, 8414)."""

from __future__ import annotations

from typing import Final

from tests.requirements import Requirement

_CREDENTIALS: Final = "tests/credentials"
_KEYS: Final = f"{_CREDENTIALS}/test_jwk.py::"
_KEYRING: Final = f"{_CREDENTIALS}/test_jwks_cache.py::"
_FETCH: Final = f"{_CREDENTIALS}/test_jwks_fetcher.py::"
_SIGNATURE: Final = f"{_CREDENTIALS}/test_signature.py::"
_ATTACKS: Final = f"{_CREDENTIALS}/test_attacks.py::"
_TRAFFIC: Final = f"{_CREDENTIALS}/test_mid_traffic.py::"
_FETCHING: Final = f"{_CREDENTIALS}/test_jwt_validator_fetch.py::"
_COMPACT: Final = f"{_CREDENTIALS}/test_jws.py::"
_CLAIMS: Final = "tests/evaluation/test_claims.py::"

REQUIREMENTS: Final = (
    Requirement(
        "RFC 8725 3.1, list",
        "The algorithm comes from the issuer's list in the policy, `none` never.",
        (
            "attack:jwt-none",
            "attack:jwt-alg-of-token",
            f"{_ATTACKS}test_unsigned_is_refused_even_where_a_policy_names_it",
        ),
    ),
    Requirement(
        "RFC 8725 3.1, key",
        "One key goes with one algorithm, known before anything is verified.",
        ("attack:jwt-confused-pem", f"{_ATTACKS}test_a_key_verifies_nothing_but_its_own_algorithm"),
    ),
    Requirement(
        "RFC 8725 3.1, mixed",
        "Symmetric and asymmetric algorithms never meet in one issuer.",
        (
            "attack:keys-published-secret",
            f"{_ATTACKS}test_a_public_key_is_never_a_secret_even_where_a_policy_mixes_both",
        ),
    ),
    Requirement(
        "RFC 9864 2.2",
        "An Ed25519 key answers to `Ed25519` and to `EdDSA`.",
        (
            f"{_SIGNATURE}test_an_ed25519_key_verifies_under_both_names",
            f"{_KEYS}test_an_ed25519_key_goes_by_both_names_whichever_it_has",
        ),
    ),
    Requirement(
        "RFC 8725 3.3",
        "Every signature is verified, on the bytes as they were sent.",
        ("attack:jwt-tampered", f"{_ATTACKS}test_no_single_flipped_bit_passes"),
    ),
    Requirement(
        "RFC 8725 3.4",
        "Inputs of the cryptography are validated: points on curves, sizes of numbers.",
        (
            "attack:keys-off-curve",
            "attack:jwt-psychic",
            "tests/credentials/test_weak_keys.py::test_ordinary_keys_are_sound",
        ),
    ),
    Requirement(
        "RFC 8725 3.5",
        "Secrets are as long as the hash; RSA keys have 2048 bits or more.",
        (
            "attack:keys-short-rsa",
            f"{_KEYS}test_a_secret_is_as_long_as_the_hash",
            f"{_KEYS}test_rsa_below_2048_bits_is_not_there",
        ),
    ),
    Requirement(
        "RFC 8725 3.5, weak",
        "Keys of known weak generators and of small order are not used.",
        ("attack:keys-roca", "attack:keys-close-primes", "attack:keys-small-order"),
    ),
    Requirement("RFC 8725 3.7", "Texts are UTF-8 and nothing else.", ("attack:jwt-utf16", "attack:jwt-not-utf8")),
    Requirement(
        "RFC 8725 3.8",
        "The issuer owns the key: keys are looked up by issuer and never shared.",
        ("attack:keys-of-other-issuer", "attack:keys-name-of-other-issuer", "attack:claims-issuer-stranger"),
    ),
    Requirement("RFC 8725 3.9", "The audience is ours.", ("attack:claims-audience-other", "attack:claims-no-audience")),
    Requirement(
        "RFC 8725 3.10",
        "`kid` is compared and nothing else; `jku`, `x5u`, `jwk` and `x5c` are not looked at.",
        ("attack:jwt-jku", "attack:jwt-x5u", "attack:jwt-x5c", "attack:jwt-embedded-jwk", "attack:jwt-kid-path"),
    ),
    Requirement(
        "RFC 8725 3.11",
        "The type is compared without regard to case, with or without `application/`.",
        (f"{_COMPACT}test_an_access_token_is_known_in_every_spelling", "attack:claims-no-type"),
    ),
    Requirement(
        "RFC 8725 3.12",
        "Kinds of token exclude one another.",
        ("attack:claims-logout-token", "attack:claims-event-token", "attack:claims-proof-as-token"),
    ),
    Requirement(
        "8725bis 3.13", "Password-based encryption is not taken, whatever its rounds.", ("attack:jwt-jwe-p2c",)
    ),
    Requirement(
        "8725bis 3.14",
        "A token is of base64url and dots: no JSON form, no blank, no padding, three parts.",
        (
            "attack:jwt-json-form",
            "attack:jwt-line-break",
            "attack:jwt-padded",
            f"{_COMPACT}test_anything_but_three_parts_is_refused",
            f"{_COMPACT}test_every_part_is_canonical_base64url",
        ),
    ),
    Requirement("8725bis 3.15", "Nothing compressed is unpacked.", ("attack:jwt-jwe-bomb",)),
    Requirement(
        "RFC 7515 4.1.11, all",
        "Critical extensions are understood, which none is, or refused; the list is neither empty nor of known names.",
        ("attack:jwt-crit-unknown", "attack:jwt-crit-empty", "attack:jwt-crit-known"),
    ),
    Requirement("RFC 7797", "`b64` is refused.", ("attack:jwt-b64-false",)),
    Requirement("RFC 7515 4, names", "No name is given twice.", ("attack:jwt-header-twice", "attack:jwt-claim-twice")),
    Requirement(
        "RFC 7519 2, dates",
        "Dates are finite numbers that are not negative: no text, boolean, NaN or infinity.",
        (
            "attack:claims-expiry-string",
            "attack:claims-expiry-boolean",
            "attack:claims-expiry-nan",
            "attack:claims-expiry-infinite",
            "attack:claims-expiry-negative",
            f"{_ATTACKS}test_huge_and_impossible_numbers_are_refused",
        ),
    ),
    Requirement(
        "RFC 7519 4.1.4, leeway",
        "Clocks may differ by the policy's leeway, which is a minute at the most.",
        (
            f"{_CLAIMS}test_a_token_is_good_until_its_expiry_and_the_leeway",
            "tests/policy/checks/test_checks.py::test_a_check_says_what_is_wrong",
        ),
    ),
    Requirement(
        "RFC 7519 7.2, bounds",
        "Size, depth and count are bounded before anything is computed.",
        ("attack:jwt-too-large", "attack:jwt-deep", "attack:jwt-wide", "attack:jwt-many-dots"),
    ),
    Requirement("RFC 7516 5.2", "An encrypted token is refused.", ("attack:jwt-jwe",)),
    Requirement("RFC 9068 2.1, type", "`typ` is `at+jwt`, unless the policy says `any`.", ("attack:claims-id-token",)),
    Requirement(
        "RFC 9068 2.2, claims",
        "`iss`, `aud`, `exp` and `sub` are there, `iat` where a longest life counts, and what `require` names.",
        (
            "attack:claims-no-expiry",
            "attack:claims-no-subject",
            "attack:claims-no-issue-time",
            "attack:claims-not-required",
            f"{_SIGNATURE}test_what_the_policy_requires_beside_has_to_be_there",
        ),
    ),
    Requirement(
        "RFC 9068 4",
        "`iss` is compared exactly, `aud` holds our name, and every failure is `invalid_token`.",
        ("attack:claims-issuer-slash", "attack:claims-issuer-part", "attack:claims-audience-prefix"),
    ),
    Requirement(
        "RFC 7517 4.5, all",
        "Keys that share a name are told apart by the algorithm, or are alternatives of one issuer.",
        (
            f"{_KEYS}test_keys_of_one_name_for_several_algorithms_are_told_apart_by_the_algorithm",
            f"{_KEYS}test_different_keys_of_one_name_and_algorithm_are_alternatives_up_to_a_bound",
            "attack:keys-same-name",
        ),
    ),
    Requirement(
        "RFC 7517 4.2 to 4.4",
        "`use`, `key_ops` and `alg` say what a key is for, and it is for nothing else.",
        (f"{_KEYS}test_a_key_that_is_not_sound_is_not_there_and_harms_no_other",),
    ),
    Requirement(
        "RFC 8414 3 and 5",
        "Metadata is found under the usual addresses, and names the issuer exactly.",
        (
            f"{_FETCH}test_keys_are_found_by_openid_discovery",
            f"{_FETCH}test_keys_are_found_by_rfc_8414_where_openid_discovery_has_none",
            f"{_FETCH}test_keys_are_found_where_a_path_is_put_behind_the_well_known_name",
            f"{_FETCH}test_metadata_that_names_another_issuer_is_not_this_ones",
        ),
    ),
    Requirement(
        "RFC 9111 4.2.1",
        "Keys are fresh for as long as the issuer says, within bounds, and are refreshed before.",
        (
            f"{_FETCH}test_how_long_an_answer_is_fresh",
            f"{_KEYRING}test_how_long_keys_are_fresh_is_told_by_the_issuer_within_bounds",
            f"{_KEYRING}test_keys_are_refreshed_while_nobody_waits",
        ),
    ),
    Requirement(
        "RFC 9110 8.8.3",
        "What has not changed is not sent again.",
        (f"{_FETCH}test_what_is_known_is_not_sent_again", f"{_KEYRING}test_what_has_not_changed_is_named_and_goes_on"),
    ),
    Requirement(
        "WIRE 1, rotation",
        "Rotation loses no request, and a key that was rotated in is never taken for a forgery.",
        (
            f"{_TRAFFIC}test_rotation_under_five_hundred_first_sights_makes_one_fetch_and_loses_none",
            f"{_TRAFFIC}test_rotation_in_mid_traffic_refuses_nobody_whose_key_is_published",
            f"{_KEYRING}test_a_flood_of_made_up_names_never_makes_a_forgery_of_a_key_that_was_rotated_in",
        ),
    ),
    Requirement(
        "WIRE 1, outage",
        "An outage is served from known keys, then `unproven`, and never a 401.",
        (
            f"{_TRAFFIC}test_killing_the_provider_in_mid_traffic_drops_nothing_and_mis_answers_nothing",
            f"{_FETCHING}test_an_outage_is_unproven_and_known_keys_serve_until_they_are_stale",
            "attack:keys-stale",
        ),
    ),
)
