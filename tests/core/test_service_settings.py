"""Settings of services are declared once: the policy's models and the compiled values have them from one class."""

from __future__ import annotations

import pytest

from authguard.core.deployment import AccountSource, Verifier
from authguard.core.service_settings import AccountSourceSettings, MethodSettings, VerifierSettings
from authguard.core.verification import Method
from authguard.policy.schema import deployment, verification


@pytest.mark.parametrize(
    ("settings", "model", "compiled"),
    [
        (AccountSourceSettings, deployment.AccountSource, AccountSource),
        (VerifierSettings, verification.Verifier, Verifier),
        (MethodSettings, verification.Method, Method),
    ],
)
def test_the_model_and_the_compiled_value_share_one_declaration(settings: type, model: type, compiled: type) -> None:
    assert issubclass(model, settings)
    assert issubclass(compiled, settings)


def test_a_verifier_has_its_defaults_without_a_policy() -> None:
    verifier = Verifier(name="otp", type="totp")
    assert (verifier.timeout, verifier.pass_at, verifier.digits) == (2.0, 1.0, 6)
