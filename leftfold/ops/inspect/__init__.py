"""Looking inside a store."""
