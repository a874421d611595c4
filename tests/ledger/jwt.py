"""Attacks on the signature, the header and the claims of a JWT."""

from __future__ import annotations

from typing import Final

from tests.requirements import INVALID, Attack, Requirement

ATTACKS: Final = (
    Attack("jwt-none", "CVE-2015-9235", "Send an unsigned token, `alg: none` and an empty signature.", INVALID),
)

REQUIREMENTS: Final = (
    Requirement(
        "RFC 8725 3.1",
        "The algorithm comes from the policy, and one key goes with one algorithm.",
        (
            "attack:jwt-none",
            "tests/credentials/test_attacks.py::test_a_key_verifies_nothing_but_its_own_algorithm",
            "tests/credentials/test_attacks.py::test_unsigned_is_refused_even_where_a_policy_names_it",
        ),
    ),
)
