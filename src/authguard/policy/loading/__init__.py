"""From files to a draft: read, find, merge, hold against the models, assemble; every value keeps its place."""
