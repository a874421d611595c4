"""Credential validation: JWT, JWK Sets, introspection, DPoP; only this package imports ``jwt``.

Rules of this package:
- Input of an attacker is bounded before anything is computed from it, and affects only its request.
- A result is `Proven` or one of the four conditions of `NotProven`. An outage is ``unproven``, never ``rejected``.
- No message, exception or ``repr`` that leaves the package contains a token, a claim or a secret.
- The caller passes the time; no module reads a clock.
"""
