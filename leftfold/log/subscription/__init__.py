"""Following the log: cursors, pages, subscriptions, and the signals that wake them."""
