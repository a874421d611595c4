"""Queries of a log: its index, search, timelines, statistics, replay under another policy, and export."""
