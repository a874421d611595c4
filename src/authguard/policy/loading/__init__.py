"""Load policy files: locate, parse, merge, validate, and build a draft; each value keeps its place."""
