"""Where the real ledger is. Its absence fails the tests that need it: a figure that is not checked is not reported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def ledger_folder() -> Path:
    """The folder of ``trans.asc``: LEFTFOLD_BERKA, or ``../shared/data/berka`` beside the repository."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "berka"
    folder = Path(os.environ.get("LEFTFOLD_BERKA", beside))
    if not folder.exists():
        pytest.fail(
            f"the ledger is not at {folder}: set LEFTFOLD_BERKA to the folder with trans.asc "
            "(the PKDD'99 Discovery Challenge data; its transactions of 1993)"
        )
    return folder
