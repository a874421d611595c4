"""The policy enforcement point: loads state, evaluates requests, writes records, saves, and then admits."""
