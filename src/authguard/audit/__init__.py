"""The audit log: a hash chain of JSON lines, with its writer, its verifier and its queries."""
