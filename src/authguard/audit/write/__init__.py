"""How lines reach the log: chained, made durable, closed in files, signed, and told to anchors elsewhere."""
