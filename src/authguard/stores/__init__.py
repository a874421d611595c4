"""Adapters of `authguard.ports.Store`, one module per technology; they never import each other."""
