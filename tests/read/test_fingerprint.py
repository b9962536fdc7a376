"""Which changes of a projection's code are changes, and which are not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import leftfold as lf
from leftfold.events import default_registry
from leftfold.read.projection.fingerprint import code_of, describe

BEFORE = '''
    from decimal import Decimal
    from typing import Annotated, Any

    import leftfold as lf
    from tests.read.bank import Deposited, Opened

    class Row(lf.ReadModel, table="fingerprinted"):
        id: lf.Key[str]
        amount: Decimal = Decimal(0)

    @lf.projection(Row, category="Thing", on=[Opened, Deposited], key=lambda recorded: recorded.stream_id, name="rows")
    def rows(row: Row | None, recorded: lf.RecordedEvent) -> Row:
        """What it is about."""
        row = row or Row(recorded.stream_id)
        if recorded.type == "read.opened":
            return row
        return row.replace(amount=row.amount + recorded.event.amount)
'''

SAME = {
    "a comment": ("        if recorded", "        # because\n        if recorded"),
    "an empty line": ("        if recorded", "\n        if recorded"),
    "the docstring": ("What it is about.", "What it really is about."),
    "no docstring": ('        """What it is about."""\n', ""),
    "other quotes": ('"read.opened"', "'read.opened'"),
    "brackets and lines": (
        "row.amount + recorded.event.amount",
        "(\n            row.amount + recorded.event.amount\n        )",
    ),
    "the function's name": ("def rows", "def lines"),
    "annotations": ("-> Row:", "-> Any:"),
    "the order of types": ("on=[Opened, Deposited]", "on=[Deposited, Opened]"),
    "what is done about failures": ('name="rows"', 'name="rows", on_failure=lf.Retry()'),
    "a decorator's layout": ('category="Thing", on', 'category="Thing",\n        on'),
    "the class's docstring": ("        id: lf", '        """Rows."""\n\n        id: lf'),
}

OTHER = {
    "the fold": ("row.amount + recorded", "row.amount - recorded"),
    "a constant": ('"read.opened"', '"read.closed"'),
    "the key": ("recorded: recorded.stream_id", "recorded: recorded.stream_id.lower()"),
    "no key": ("key=lambda recorded: recorded.stream_id, ", ""),
    "the types": ("on=[Opened, Deposited]", "on=[Deposited]"),
    "the category": ('category="Thing"', 'category="Other"'),
    "no category": ('category="Thing", ', ""),
    "a new field": ("amount: Decimal = Decimal(0)", "amount: Decimal = Decimal(0)\n        more: int = 0"),
    "a field's type": ("amount: Decimal =", "amount: Annotated[Decimal, lf.Digits(9, 2)] ="),
    "a field that may be None": ("amount: Decimal =", "amount: Decimal | None ="),
    "a default": ("= Decimal(0)", "= Decimal(1)"),
    "a field's name": ("amount: Decimal", "total: Decimal"),
}


def loaded(source: str, path: Path) -> Any:
    """The projection in a module of its own."""
    path.write_text(textwrap.dedent(source))
    spec: Any = importlib.util.spec_from_file_location(f"fingerprinted_{path.stem}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
        del sys.modules[spec.name]
    return getattr(module, "lines", None) or module.rows


def fingerprint(source: str, folder: Path, name: str = "code") -> str:
    return str(loaded(source, folder / f"{name}.py").blueprint(default_registry).fingerprint)


def changed(what: tuple[str, str]) -> str:
    old, new = what
    assert old in BEFORE
    return BEFORE.replace(old, new, 1)


@pytest.mark.parametrize("what", SAME)
def test_no_change(what: str, tmp_path: Path) -> None:
    assert fingerprint(changed(SAME[what]), tmp_path, "after") == fingerprint(BEFORE, tmp_path)


@pytest.mark.parametrize("what", OTHER)
def test_a_change(what: str, tmp_path: Path) -> None:
    assert fingerprint(changed(OTHER[what]), tmp_path, "after") != fingerprint(BEFORE, tmp_path)


def test_the_code_is_that_which_runs_not_what_its_file_holds_later(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    running = loaded(BEFORE, path)
    path.write_text(textwrap.dedent(changed(OTHER["the fold"])))
    assert running.blueprint(default_registry).fingerprint == fingerprint(BEFORE, tmp_path, "again")


def without_source(source: str) -> Callable[..., Any]:
    names: dict[str, Any] = {}
    exec(compile(textwrap.dedent(source), "<nowhere>", "exec"), names)
    function: Callable[..., Any] = names["fold"]
    return function


def test_without_source_the_compiled_code_counts() -> None:
    before = code_of(without_source('def fold(row):\n    """One."""\n    return row + 1'))
    assert before == code_of(without_source('def fold(row):\n    """Two."""\n\n    # a comment\n    return row + 1'))
    assert before != code_of(without_source('def fold(row):\n    """One."""\n    return row + 2'))
    inner = code_of(without_source("def fold(row):\n    return [one + 1 for one in row]"))
    assert inner != code_of(without_source("def fold(row):\n    return [one + 2 for one in row]"))


def test_lambdas_are_told_apart_even_on_one_line() -> None:
    one, other, again = (lambda x: x.a), (lambda x: x.b), (lambda x: x.a)
    assert code_of(one) == code_of(again) != code_of(other)
    assert "lambda x: x.a" in code_of(one), "by its source, so that a newer Python finds it the same"
    outer: Any = lambda x: lambda y: x + y  # noqa: E731
    assert "lambda x: lambda y: x + y" in code_of(outer)
    assert code_of(outer(1)) != code_of(outer(2)), "what it closes over counts"


def test_what_a_function_holds_counts() -> None:
    def made(rate: Any) -> Callable[..., Any]:
        def fold(row: int, by: int = 3) -> Any:
            return row * rate * by

        return fold

    assert code_of(made(Decimal("1.5"))) == code_of(made(Decimal("1.5"))) != code_of(made(Decimal("1.6")))
    assert code_of(made(len)) != code_of(made(max))
    assert code_of(made(lambda: 1)) != code_of(made(lambda: 2))
    assert code_of(made({"b", "a"})) == code_of(made({"a", "b"}))


def test_other_things_that_can_be_called() -> None:
    def key(name: str, recorded: Any) -> Any:
        return getattr(recorded, name)

    assert code_of(partial(key, "a")) == code_of(partial(key, "a")) != code_of(partial(key, "b"))
    assert code_of(attrgetter("a")) == code_of(attrgetter("a"))

    class ByName:
        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, recorded: Any) -> Any:
            return getattr(recorded, self.name)

        def method(self, recorded: Any) -> Any:
            return recorded

    assert code_of(ByName("a")) == code_of(ByName("a")) != code_of(ByName("b"))
    assert code_of(ByName("a").method) != code_of(ByName("a"))
    assert code_of(None) == ""


def test_it_is_the_same_in_every_process() -> None:
    program = (
        "from tests.read.bank import balances\nfrom tests.read.test_sql_projection import Totals\n"
        "from leftfold.events import default_registry\n"
        "from leftfold.read.projection.fingerprint import code_of, describe\n"
        'names = {}\nexec(\'def fold(x): return x in {"a", "b", "c", "d"}\', names)\n'
        "print(balances.blueprint(default_registry).fingerprint, Totals().blueprint(default_registry).fingerprint,"
        " hash(code_of(names['fold'])) and code_of(names['fold']), describe({'x': {'b', 'a', 'c'}}))"
    )
    root = Path(__file__).parents[2]
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=root, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1


def test_a_value_that_holds_itself_comes_to_an_end() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    assert describe(ring) == "[1, ]"


def test_a_sql_projection_counts_its_class_and_what_it_is_made_with() -> None:
    class Totals(lf.ReadModel, table="fingerprinted_totals"):
        id: lf.Key[str]

    class Base(lf.SqlProjection, tables=[Totals], category="Thing"):
        def __init__(self, rate: int = 1) -> None:
            self.rate = rate

        def handle(self, recorded: lf.RecordedEvent) -> list[Any]:
            return []

    class Same(Base, tables=[Totals], category="Thing", on_failure=lf.Retry(), name="Base"):
        pass

    def of(one: lf.SqlProjection) -> str:
        return one.blueprint(default_registry).fingerprint

    assert of(Base()) == of(Base(1)) != of(Base(2))
    before = of(Same())
    Base.handle = lambda self, recorded: [1]  # type: ignore[method-assign]
    assert of(Same()) == before, "told when it was defined"
