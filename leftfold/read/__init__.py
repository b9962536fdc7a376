"""The query side: read models, the projections that maintain them, and the views that answer questions."""
