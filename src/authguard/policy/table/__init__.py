"""Algebra of decision tables: boxes of cells, what rules cover, and the comparison of two tables."""
