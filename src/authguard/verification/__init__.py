"""Verifiers: adapters for services that verify identity, each behind `authguard.ports.Verifier`."""
