"""The ledger's entries, one file per area, each with ``ATTACKS`` or ``REQUIREMENTS``, for `tests.requirements`."""
