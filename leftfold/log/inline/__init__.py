"""What the log asks of inline projections, and the set that the database records."""
