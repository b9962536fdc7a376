"""Questions to read models, now and as of then."""
