"""Verification of a log: hash chains, signed checkpoints, inclusion proofs; and a reader of its lines."""
