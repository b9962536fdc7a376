"""SQLite: connections, and a user's own connection."""
