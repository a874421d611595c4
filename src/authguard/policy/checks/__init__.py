"""Static checks of a policy draft: total machines, a decided table, reachability, liveness, deployment settings."""
