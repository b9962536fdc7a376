"""What a projection is: a keyed fold, or a class that answers with statements."""
