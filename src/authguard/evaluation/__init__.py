"""The driver: the pure evaluation of requests, events and time against a compiled policy."""
