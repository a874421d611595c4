"""The format of the audit log: entries, chain, Merkle tree, signed notes, tombstones; no I/O, no clock."""
