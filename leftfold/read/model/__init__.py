"""What a row is: read models, their fields and columns."""
