"""A policy's own tests: scenarios are read, played and counted, and what none takes is proposed."""
