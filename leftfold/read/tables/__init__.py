"""The rows of read models in a database."""
