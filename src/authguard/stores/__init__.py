"""Adapters of `authguard.ports.Store`: one file per technology; they never import each other."""
