"""Verifiers: the services that answer "is it them?", each behind `authguard.ports.Verifier`."""
