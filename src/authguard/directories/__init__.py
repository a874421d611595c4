"""Account directories: adapters that return the state of an account, each behind `authguard.ports.AccountDirectory`."""
