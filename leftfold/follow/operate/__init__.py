"""What people do to processors, and what they see of them."""
