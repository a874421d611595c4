"""Pure parsers of what anyone may send: strict JSON, forms, multipart bodies, JSON Pointers, URLs."""
