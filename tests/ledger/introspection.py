"""Attacks on what an authorization server says of a token, and answers that must never count (RFC 7662)."""

from __future__ import annotations

from typing import Final

from tests.requirements import INVALID, UNPROVEN, Attack, Requirement

ATTACKS: Final = (
    Attack("intro-inactive", "RFC 7662 2.2, inactive", "Send an opaque token that was revoked.", INVALID),
    Attack("intro-refresh", "RFC 7662 4, refresh tokens", "Send a refresh token as an access token.", INVALID),
    Attack("intro-bound", "RFC 9449 6.2", "Send an opaque token that is bound to a key as a bearer token.", INVALID),
    Attack("intro-lifetime", "RFC 8725 3.8, opaque", "Send a token that its issuer let live for years.", INVALID),
    Attack("intro-jwt", "RFC 7662 4, disclosure", "Have the guard ask about a forged JWT.", INVALID),
    Attack("intro-nobody", "RFC 6749 7", "Send an opaque token where no issuer is asked about any.", INVALID),
    Attack("intro-two", "RFC 9207 1", "Have one issuer's opaque token shown to another.", INVALID),
    Attack("intro-500", "RFC 9110 15.6.1", "Send a token at which the server stumbles.", UNPROVEN),
    Attack("intro-503", "RFC 9110 15.6.4", "Send a token while the server is down.", UNPROVEN),
    Attack("intro-429", "RFC 6585 4", "Send so many tokens that the server wants a rest.", UNPROVEN),
    Attack(
        "intro-redirect",
        "RFC 9110 15.4, introspection",
        "Have the server lead the guard, and its secret, elsewhere.",
        UNPROVEN,
    ),
    Attack("intro-201", "RFC 7662 2.2, status", "Have another success than 200 taken for an answer.", UNPROVEN),
    Attack("intro-400", "RFC 6749 5.2", "Send a token of a kind that the server cannot look up.", UNPROVEN),
    Attack("intro-401", "RFC 7662 2.3", "Send a token while the server refuses the guard's own secret.", UNPROVEN),
    Attack("intro-html", "RFC 7662 2.2, media type", "Have a proxy's friendly page taken for an answer.", UNPROVEN),
    Attack(
        "intro-no-json",
        "RFC 8259 2, introspection",
        "Have an answer that is cut off, or no JSON, taken for one.",
        UNPROVEN,
    ),
    Attack("intro-duplicate", "RFC 8259 4", "Have `active` said twice, once each way.", UNPROVEN),
    Attack("intro-no-active", "RFC 7662 2.2, active", "Have an answer without `active` taken for a yes.", UNPROVEN),
    Attack("intro-truthy", "RFC 7662 2.2, boolean", "Have something truthy taken for a yes.", UNPROVEN),
    Attack("intro-mock", "FIELD 5.1", "Have a server that says yes to all believed.", UNPROVEN),
    Attack("intro-other-issuer", "RFC 8725 3.8, introspection", "Have one issuer vouch for another.", UNPROVEN),
    Attack(
        "intro-other-audience",
        "RFC 8725 3.9, introspection",
        "Send a token that is active for somebody else's service.",
        UNPROVEN,
    ),
    Attack("intro-expired", "RFC 7662 4, exp", "Send a token that is active past its own end.", UNPROVEN),
    Attack("intro-endless", "RFC 7662 2.2, exp", "Send a token that never ends.", UNPROVEN),
    Attack("intro-early", "RFC 7519 4.1.5, introspection", "Send a token that is active before it begins.", UNPROVEN),
    Attack(
        "intro-odd-claims",
        "RFC 7519 2, introspection",
        "Have claims of wrong types and numbers without end taken.",
        UNPROVEN,
    ),
    Attack("intro-large", "FIELD 4, cap answers", "Have an answer without end read.", UNPROVEN),
    Attack("intro-deep", "CVE-2025-52999", "Have an answer nested without end parsed.", UNPROVEN),
    Attack("intro-zipped", "FIELD 4, compression", "Have an answer unpacked that grows a thousandfold.", UNPROVEN),
    Attack("intro-signed", "RFC 9701 5", "Have a signed answer taken whose signature nobody verified.", UNPROVEN),
    Attack("intro-hang", "ASVS 16.5.2", "Send a token while the server does not answer at all.", UNPROVEN),
    Attack("intro-broken-off", "ASVS 16.5.3", "Have the connection break in the middle of a yes.", UNPROVEN),
    Attack("intro-jwt-revoked", "RFC 7009 3", "Send a JWT that was revoked before its end.", INVALID),
    Attack(
        "intro-jwt-other", "RFC 7662 2.2, sub", "Have the server vouch for another subject than the JWT's.", UNPROVEN
    ),
    Attack("intro-jwt-mock", "ASVS 9.1.1", "Have a bare yes count for a JWT.", UNPROVEN),
    Attack("intro-act", "RFC 8693 4.1, opaque", "Have an actor that is no object taken for nobody.", UNPROVEN),
)

REQUIREMENTS: Final = (
    Requirement(
        "RFC 7662 2.1",
        "The guard says who asks, and what for, in a form.",
        ("tests/credentials/test_introspection_client.py::test_the_question_is_a_form_with_our_credentials",),
    ),
    Requirement(
        "RFC 7662 4",
        "No answer is used beyond the token's end, or for another token.",
        (
            "tests/credentials/test_token_validator.py::test_an_answer_is_not_used_beyond_the_tokens_end",
            "attack:intro-two",
        ),
    ),
    Requirement(
        "RFC 6749 2.3.1",
        "Name and secret are encoded as in a form before they are joined.",
        ("tests/credentials/test_introspection_client.py::test_our_credentials_are_encoded_as_in_a_form",),
    ),
)
