"""Calls out of the process: HTTP client, retries, single-flight, circuit breaker and a bounded thread pool."""
