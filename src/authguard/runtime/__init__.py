"""The driver: loads, lets events happen, decides, records, saves, and only then admits."""
