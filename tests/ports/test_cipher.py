"""Tests of the port of encryption: every adapter has the methods."""

from __future__ import annotations

import pytest

from authguard.deployment_keys import DeploymentKeys
from authguard.encryption import PayloadCipher
from authguard.ports.cipher import Cipher
from tests.ports.conformance import list_differences


@pytest.mark.parametrize("adapter", [PayloadCipher, DeploymentKeys])
def test_a_cipher_has_the_methods_of_the_port(adapter: type) -> None:
    assert list_differences(adapter, Cipher) == []
