"""PostgreSQL: connections, the pool, a user's own connection, a replica."""
