"""Tests of the port of the validation of credentials: every adapter has the methods."""

from __future__ import annotations

from authguard.credentials.jwt_validator import JwtValidator
from authguard.credentials.token_validator import TokenValidator
from authguard.ports.credential_validator import CredentialValidator, IssuerStatus
from tests.ports.conformance import list_differences


def test_a_validator_has_the_methods_of_the_port() -> None:
    assert list_differences(JwtValidator, CredentialValidator) == []
    # an instance may have a method of the validator inside instead, which saves a call
    differences = set(list_differences(TokenValidator, CredentialValidator))
    assert differences <= {"get_cached is missing"}


def test_a_status_without_a_problem_is_empty() -> None:
    status = IssuerStatus("https://idp.test", "ok")
    assert (status.problem, status.message, status.ignored, status.insecure_http) == ("", "", (), False)
