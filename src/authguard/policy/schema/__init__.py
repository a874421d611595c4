"""What may be typed in a policy file: its keys, its words and quantities, and the schemas for editors."""
