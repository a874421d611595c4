"""Run the scenarios of a policy, measure their coverage and draft scenarios for the rest."""
