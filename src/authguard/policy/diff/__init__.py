"""Compare two policies: the decision table over all cells, and every other part field by field."""
