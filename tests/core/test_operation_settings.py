"""Settings of an operation are declared once: the model and the compiled operation have them from one class."""

from __future__ import annotations

from authguard.core.operation_settings import NO_EFFECT, OperationSettings
from authguard.core.request import Operation
from authguard.policy.schema import deployment


def test_the_model_and_the_compiled_operation_share_one_declaration() -> None:
    assert issubclass(deployment.Operation, OperationSettings)
    assert issubclass(Operation, OperationSettings)


def test_a_client_error_means_that_nothing_was_done() -> None:
    operation = Operation(name="pay")
    assert operation.failed_on == NO_EFFECT
    assert {307, 308, 400, 499} <= NO_EFFECT
    assert not NO_EFFECT & {200, 301, 302, 303, 500}
