"""The two ways to wait: blocking in the caller's thread, and tasks under asyncio."""

from leftfold.doors.step import step, step_each, step_inside

__all__ = ["step", "step_each", "step_inside"]
