"""What the doctor says: one finding for each thing looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["fine", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was found, how bad that is, and what to do if it is."""

    level: Level
    subject: str
    text: str
    remedy: str = ""
