"""The tables and functions of a store, one object in a file, and the migrations that make them."""

from leftfold.schema.migrations import Policy, migrate

__all__ = ["Policy", "migrate"]
