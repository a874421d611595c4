"""That nothing in a log was changed: verified whole, proved line by line, read back."""
