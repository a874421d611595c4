"""Calls out of the process: HTTP clients, JSON services, circuit breakers and a bounded thread pool."""
