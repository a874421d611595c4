"""What is proved of a draft before anything runs on it: machines total, cells decided, ways out there."""
