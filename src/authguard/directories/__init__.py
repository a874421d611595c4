"""Account directories: what says in which state an account is, each behind `authguard.ports.AccountDirectory`."""
