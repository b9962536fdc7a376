"""How a page of events becomes rows."""
