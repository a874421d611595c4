"""Renderings of policies and check results: diagrams, tables, HTML, YAML, JSON and SARIF."""
