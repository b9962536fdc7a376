"""The faults that a trial injects."""
