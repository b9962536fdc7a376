"""What may be wrong with a store, and what to do."""
