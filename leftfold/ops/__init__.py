"""Looking inside a store: inspection, and the command line over it."""
