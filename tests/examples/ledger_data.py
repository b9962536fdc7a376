"""Where the real ledger is. Without it the tests that need it are skipped, and the summary says so in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def ledger_folder() -> Path:
    """The folder of ``trans.asc``: LEFTFOLD_BERKA, or ``../shared/data/berka`` beside the repository."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "berka"
    folder = Path(os.environ.get("LEFTFOLD_BERKA", beside))
    if not (folder / "trans.asc").exists():
        pytest.skip(
            "needs the real ledger: download the PKDD'99 Discovery Challenge data (Berka and Sochorova), "
            "and set LEFTFOLD_BERKA to the folder with its trans.asc"
        )
    return folder
