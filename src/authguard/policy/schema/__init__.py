"""The schema of policy files: keys, value types, units, and JSON Schemas for editors."""
