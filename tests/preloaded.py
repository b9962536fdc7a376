"""What every process of `tests.processes` finds loaded: the command has run once, with all that it imports late."""

from __future__ import annotations

import sys
import tempfile
from contextlib import redirect_stdout, suppress
from io import StringIO

import psycopg_pool  # noqa: F401
import pytest  # noqa: F401

import leftfold as lf
import leftfold.__main__  # the command, with all that belongs to it
import leftfold.ops.demo.performance
import tests.faults.appender  # noqa: F401
from leftfold.ops.command.cli import main

with tempfile.TemporaryDirectory() as _folder, redirect_stdout(StringIO()):
    _url = f"sqlite:///{_folder}/store.db"
    with lf.connect(_url) as _store:
        _store.append("Thing-a", [lf.RawEvent("thing.made", b"{}")])
    for _command in (["streams", _url], ["show", _url, "Thing-a"], ["tail", _url, "--no-follow"], ["doctor", _url]):
        sys.argv = ["leftfold", *_command]
        with suppress(SystemExit):
            main()
