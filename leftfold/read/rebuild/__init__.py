"""Rows made anew from history beside the live ones, and swapped."""
