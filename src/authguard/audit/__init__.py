"""The audit log: writing it as a hash chain of JSON lines, reading it, and verifying it."""
