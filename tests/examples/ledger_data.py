"""Where the real ledger is. Without it the tests that need it are skipped, and the summary says so in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def ledger_folder() -> Path:
    """The folder of ``trans.asc``: LEFTFOLD_BERKA, or ``../shared/data/berka`` beside the repository."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "berka"
    told = os.environ.get("LEFTFOLD_BERKA")
    folder = beside if told is None else Path(told)
    if (folder / "trans.asc").exists():
        return folder
    if told is not None:
        pytest.fail(f"LEFTFOLD_BERKA names {told}, which has no trans.asc: name the folder that holds it, or unset it")
    pytest.skip(
        "needs the real ledger: download the PKDD'99 Discovery Challenge data (Berka and Sochorova), "
        "and set LEFTFOLD_BERKA to the folder with its trans.asc"
    )
