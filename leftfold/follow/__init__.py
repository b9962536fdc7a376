"""Processors: what follows the log with a checkpoint, whatever it does with the events."""
