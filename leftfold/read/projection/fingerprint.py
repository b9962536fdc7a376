"""A projection's fingerprint: what its rows depend on in code, so that a change without a new version is noticed.

Code counts as Python reads it: comments, layout, docstrings, annotations and the function's own name do not matter.
Plain values in its defaults and closures count, too. The functions that it calls do not, for no fingerprint could
follow them all. The ``version`` is the promise; the fingerprint only catches a forgotten one.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any
from uuid import UUID

_PLAIN = (type(None), bool, int, float, str, bytes, Decimal, date, time, timedelta, UUID)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def fingerprint_of(*parts: object) -> str:
    """The fingerprint of plain values, in order: 16 hexadecimal digits."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def code_of(definition: Any) -> str:
    """The code of a function, a class or anything else that can be called, as text that only changes with its meaning.

    Ask while it is being defined: later, its file may hold other code than what runs.
    """
    if not isinstance(definition, type):
        return "" if definition is None else describe(definition)
    functions = [item for item in sorted(vars(definition).items()) if isinstance(item[1], FunctionType)]
    return _source(definition) or "\n".join(f"{name} {describe(function)}" for name, function in functions)


def describe(value: Any, within: tuple[int, ...] = ()) -> str:
    """A value as text, the same in every process: plain values, collections of them, functions by their code."""
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, type) or inspect.isbuiltin(value):
        return value.__qualname__
    if id(value) in within:  # a list that holds itself, a function that closes over itself
        return ""
    within = (*within, id(value))
    if isinstance(value, FunctionType):
        return (_source(value) or _compiled(value.__code__, value.__doc__)) + _held(value, within)
    if isinstance(value, MethodType):
        return f"{describe(value.__func__, within)} of {describe(value.__self__, within)}"
    if isinstance(value, partial):
        return f"partial {describe(value.func, within)} {describe((value.args, value.keywords), within)}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(describe(item, within) for item in value)}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(describe(item, within) for item in value))}}}"
    if isinstance(value, Mapping):
        pairs = sorted(f"{describe(key, within)}: {describe(item, within)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    call = getattr(type(value), "__call__", None)  # noqa: B004 - for its code
    if isinstance(call, FunctionType) and hasattr(value, "__dict__"):
        return f"{type(value).__qualname__} {describe(call, within)} {describe(vars(value), within)}"
    return type(value).__qualname__


def _held(function: FunctionType, within: tuple[int, ...]) -> str:
    """The values of its defaults, and of the variables that it closes over."""
    held: list[Any] = [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]
    for cell in function.__closure__ or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # not given a value yet
            held.append(None)
    return f" {describe(held, within)}" if held else ""


def _source(definition: FunctionType | type) -> str | None:
    """The definition as Python reads it; None if there is no source."""
    try:
        if isinstance(definition, FunctionType) and definition.__name__ == "<lambda>":
            return _lambda(definition.__code__, inspect.findsource(definition)[0])
        [statement] = ast.parse(textwrap.dedent(inspect.getsource(definition))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return ast.unparse(_bare(statement)) if isinstance(statement, _Definition) else None


def _lambda(code: CodeType, lines: Iterable[str]) -> str | None:
    """The lambda in a file that was compiled to this code; None if that cannot be told."""
    # Several may stand on one line, or inside each other: `key=lambda x: x.a, other=lambda x: lambda y: x.b`. This one
    # is the innermost whose body holds every place of the code, for what makes an inner lambda lies outside its body.
    spans: Any = [place for place in code.co_positions() if None not in place]
    places = [((line, column), (last, end)) for line, last, column, end in spans if (line, column) != (last, end)]
    found = [
        node
        for node in ast.walk(ast.parse("".join(lines)))  # outer nodes come first
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and all(_start(node.body) <= first and last <= _end(node.body) for first, last in places)
    ]
    return ast.unparse(found[-1]) if len(found) == 1 or (found and places) else None


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _bare(definition: _Definition) -> _Definition:
    """Strip the parts that do not matter. A class's keywords do, but the projection adds them to its fingerprint."""
    definition.name = "_"
    definition.decorator_list = []
    if isinstance(definition, ast.ClassDef):
        definition.keywords = []
    for node in ast.walk(definition):
        if isinstance(node, _Definition) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return definition


def _compiled(code: CodeType, docstring: str | None = None) -> str:
    """The code where there is no source. This text changes with the version of Python, too."""
    constants = [
        _compiled(constant) if isinstance(constant, CodeType) else describe(None if constant == docstring else constant)
        for constant in code.co_consts
    ]
    return repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))
