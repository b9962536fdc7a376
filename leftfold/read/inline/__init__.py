"""Projections maintained in the append's own transaction."""
