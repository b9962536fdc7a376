"""The house rules: both doors are the same, what is public is documented, files and folders stay small.

Which room may import from which is checked by import-linter, see pyproject.toml.
"""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import leftfold as lf
from leftfold.front.projector import Projector
from leftfold.front.view import View
from leftfold.read.projector import AsyncProjector
from leftfold.read.view.view import AsyncView

PACKAGE = Path(lf.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
MOST_MODULES = 14
MOST_NAMES = 12
MOST_LINES = 300
LONGER = {"testing/postgres.py"}  # the life of a server, which is one idea

DOORS = [
    (lf.EventStore, lf.AsyncEventStore),
    (lf.Repository, lf.AsyncRepository),
    (lf.types.Processors, lf.types.AsyncProcessors),
    (lf.types.DeciderRepository, lf.types.AsyncDeciderRepository),
    (lf.types.Subscription, lf.types.AsyncSubscription),
    (lf.Transaction, lf.AsyncTransaction),
    (Projector, AsyncProjector),
    (View, AsyncView),
    (lf.types.PastView, lf.types.AsyncPastView),
]
ONLY_ASYNC = {"open"}  # what connect() does by itself when it may block


def public(cls: type) -> dict[str, Any]:
    return {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}


def parameters(member: Any) -> list[tuple[str, Any, Any, str]]:
    """Name, kind, default and annotation of each parameter."""
    if isinstance(member, property):
        member = member.fget
    given = inspect.signature(member).parameters.values()
    return [(one.name, one.kind, one.default, str(one.annotation).replace("Async", "")) for one in given]


def answer(member: Any) -> str:
    """What it returns, in the words of the sync door."""
    if isinstance(member, property):
        member = member.fget
    returned = str(inspect.signature(member).return_annotation)
    for asynchronous, blocking in (("AbstractAsyncContextManager", "AbstractContextManager"), ("Async", "")):
        returned = returned.replace(asynchronous, blocking)
    return returned


@pytest.mark.parametrize(("blocking", "asynchronous"), DOORS, ids=lambda cls: cls.__name__)
def test_both_doors_have_the_same_names_with_the_same_parameters(blocking: type, asynchronous: type) -> None:
    assert asynchronous.__name__ == f"Async{blocking.__name__}"
    theirs = {name: member for name, member in public(asynchronous).items() if name not in ONLY_ASYNC}
    assert public(blocking).keys() == theirs.keys()
    for name, member in public(blocking).items():
        assert isinstance(member, property) == isinstance(theirs[name], property), name
        assert parameters(member) == parameters(theirs[name]), name
        if not hasattr(theirs[name], "__wrapped__"):  # asynccontextmanager hides what it returns
            assert answer(member) == answer(theirs[name]), name
    assert parameters(lf.connect) == parameters(lf.connect_async)


@pytest.mark.parametrize(("blocking", "asynchronous"), DOORS, ids=lambda cls: cls.__name__)
def test_both_doors_are_made_alike(blocking: type, asynchronous: type) -> None:
    if blocking is not lf.EventStore:  # its twin opens later
        assert parameters(blocking) == parameters(asynchronous)
    assert hasattr(blocking, "__enter__") == hasattr(asynchronous, "__aenter__")
    assert hasattr(blocking, "__iter__") == hasattr(asynchronous, "__aiter__")


def exported() -> Iterator[tuple[str, Any]]:
    """What is exported and can carry a docstring, and the public methods and properties of its classes."""
    named = [(name, getattr(module, name)) for module in (lf, lf.results, lf.types) for name in module.__all__]
    for name, value in named:
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value
        if inspect.isclass(value):
            for inner, member in vars(value).items():
                told = inspect.isfunction(member) or isinstance(member, (property, staticmethod, classmethod))
                if told and not inner.startswith("_"):
                    yield f"{name}.{inner}", member


def test_everything_public_has_a_docstring_of_its_own() -> None:
    silent = [name for name, value in exported() if not own_docstring(value)]
    assert silent == []


def own_docstring(value: Any) -> str | None:
    """The docstring, not an inherited one."""
    return vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__


def test_the_top_level_is_small_and_names_itself() -> None:
    assert len(lf.__all__) <= 55
    for module in (lf, lf.results, lf.types):
        for name in module.__all__:
            public_one = getattr(module, name)
            if inspect.isclass(public_one) or inspect.isfunction(public_one):
                assert public_one.__module__ == module.__name__, name
    assert lf.__version__


def test_a_file_holds_one_idea_and_opens_with_it() -> None:
    silent, long = [], []
    for path in SOURCES:
        name, text = str(path.relative_to(PACKAGE)), path.read_text("utf-8")
        if not ast.get_docstring(ast.parse(text)):
            silent.append(name)
        if (len(text.splitlines()) > MOST_LINES) != (name in LONGER):
            long.append(name)
    assert (silent, long) == ([], [])


def test_a_folder_can_be_overlooked_and_its_door_shows_a_dozen_names_at_most() -> None:
    folders = Counter(path.parent for path in SOURCES)
    assert {str(folder): count for folder, count in folders.items() if count > MOST_MODULES} == {}
    doors = {path: door_of(path) for path in SOURCES if path.name == "__init__.py" and path.parent != PACKAGE}
    assert {str(path): names for path, names in doors.items() if len(names) > MOST_NAMES} == {}


def door_of(path: Path) -> list[str]:
    """The names in the ``__all__`` of a package."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []
