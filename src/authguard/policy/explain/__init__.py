"""Explanations of single decisions of a policy."""
