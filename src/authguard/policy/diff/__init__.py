"""What one policy answers that another does not: its table over all cells, and everything beside the table."""
