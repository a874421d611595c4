"""Tests of the port of sources of account states: the adapter has the methods."""

from __future__ import annotations

from authguard.directories.resilience import ResilientDirectory
from authguard.ports.account_directory import AccountDirectory, AccountStatus
from tests.ports.conformance import list_differences


def test_a_directory_has_the_methods_of_the_port() -> None:
    assert list_differences(ResilientDirectory, AccountDirectory) == []


def test_an_account_without_delegations_has_none() -> None:
    assert AccountStatus("active", 1.0).delegations == ()
