"""Mutants of a policy: single changes that its checks and scenarios should notice, and scenarios for the others."""
