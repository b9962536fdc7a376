"""The house rules: rooms import only upwards, both doors are the same, what is public is documented."""

from __future__ import annotations

import ast
import inspect
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
FLOORS = [
    {"errors", "expected", "fold", "checkpoint", "arguments"},
    {"events"},
    {"doors"},
    {"database"},
    {"schema"},
    {"log"},
    {"follow"},
    {"write", "read"},  # twins
    {"front"},
    {"leftfold"},  # the public names, all together
    {"ops"},
    {"testing"},
    {"__main__"},  # the command, which reaches every room
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MOST_LINES = 300
LONGER = {"testing/postgres.py"}  # the life of a server, which is one idea

DOORS = [
    (lf.EventStore, lf.AsyncEventStore),
    (lf.Repository, lf.AsyncRepository),
    (lf.DeciderRepository, lf.AsyncDeciderRepository),
    (lf.Subscription, lf.AsyncSubscription),
    (lf.Transaction, lf.AsyncTransaction),
    (Projector, AsyncProjector),
    (View, AsyncView),
    (lf.PastView, lf.AsyncPastView),
]
ONLY_ASYNC = {"open"}  # what connect() does by itself when it may block


def room_of(path: Path) -> str:
    """The folder under leftfold/, or the module beside them."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem.replace("__init__", "leftfold")


def rooms_imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of everything of leftfold's own that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            names = [f"{node.module}.{one.name}" for one in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "leftfold":
                room = rest.partition(".")[0]
                yield node.lineno, room if room in FLOOR else "leftfold"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_above_it_and_never_from_its_twin(path: Path) -> None:
    here = room_of(path)
    assert here in FLOOR, f"{here} is a room that nobody has given a floor"
    for line, there in rooms_imported(path):
        above = FLOOR[there] < FLOOR[here] or there == here or FLOOR[here] == FLOOR[there] == 0
        assert above or here == "leftfold", f"{path}:{line}: {here}/ imports from {there}/"


def test_the_rule_about_rooms_would_notice(tmp_path: Path) -> None:
    source = (
        "def late():\n    from leftfold.read import View\nimport leftfold.log.contract\nfrom leftfold import expected\n"
    )
    (tmp_path / "module.py").write_text(source)
    assert sorted(rooms_imported(tmp_path / "module.py")) == [(2, "read"), (3, "log"), (4, "expected")]


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
    for name in lf.__all__:
        value = getattr(lf, name)
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


def test_all_lists_every_public_name_in_order() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    imported = {one.asname or one.name for node in tree.body if isinstance(node, ast.ImportFrom) for one in node.names}
    assert set(lf.__all__) == {name for name in imported if not name.startswith("_")}
    assert lf.__all__ == sorted(lf.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_holds_one_idea_and_opens_with_it(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is for"
    lines = len(text.splitlines())
    assert (lines > MOST_LINES) == (str(path.relative_to(PACKAGE)) in LONGER), f"{path} has {lines} lines"
