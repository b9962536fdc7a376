"""A projection's fingerprint: what its rows depend on in code, so that a change without a new version is noticed.

The code counts as Python reads it: comments, layout, docstrings, annotations and names of the function itself do not
matter. So do plain values that it holds, in defaults or closures. What it calls elsewhere does not count, for no
fingerprint could follow that; its ``version`` is the promise, this only catches a forgotten one.
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
from types import CodeType, FunctionType
from typing import Any
from uuid import UUID

_PLAIN = (type(None), bool, int, float, str, bytes, Decimal, date, time, timedelta, UUID)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def fingerprint_of(*parts: object) -> str:
    """Of plain values, in order: 16 hexadecimal digits."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def code_of(one: Any) -> str:
    """The code of a function, a class or anything else that can be called, as text that only changes with its meaning.

    To be asked when it is defined: later, its file may hold other code than what runs.
    """
    return _code_of(one, ())


def told(value: Any) -> str:
    """A value as text, the same in every process: plain values, collections of them, functions by their code."""
    return _told(value, ())


def _code_of(one: Any, within: tuple[int, ...]) -> str:
    if one is None or id(one) in within:
        return ""
    around, within = within, (*within, id(one))
    if isinstance(one, partial):
        held = (one.args, one.keywords)
        return f"partial {_code_of(one.func, within)} {_told(held, within)}"
    if isinstance(one, FunctionType):
        return f"{_source(one) or _compiled(one.__code__, one.__doc__)}{_held(one, within)}"
    if isinstance(one, type):
        return _source(one) or "\n".join(
            f"{name} {_code_of(member, within)}"
            for name, member in sorted(vars(one).items())
            if isinstance(member, FunctionType)
        )
    if inspect.ismethod(one):
        return f"{_code_of(one.__func__, within)} of {_told(one.__self__, within)}"
    return _told(one, around)


def _source(one: FunctionType | type) -> str | None:
    """As Python reads it; None if there is no source."""
    try:
        if isinstance(one, FunctionType) and one.__name__ == "<lambda>":
            return _lambda(one.__code__, inspect.findsource(one)[0])
        [statement] = ast.parse(textwrap.dedent(inspect.getsource(one))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return ast.unparse(_bare(statement)) if isinstance(statement, _Definition) else None


def _lambda(code: CodeType, lines: Iterable[str]) -> str | None:
    """The one in a file that was compiled to this; None if that cannot be told."""
    places = [(line, column) for line, _, column, _ in code.co_positions() if line and column]
    around = sorted(
        (
            node
            for node in ast.walk(ast.parse("".join(lines)))
            if isinstance(node, ast.Lambda)
            and node.lineno == code.co_firstlineno
            and all((node.lineno, node.col_offset) <= place <= _end(node) for place in places)
        ),
        key=lambda node: (node.lineno, node.col_offset),
    )
    if not around:
        return None
    has_inner = any(isinstance(one, CodeType) and one.co_name == "<lambda>" for one in code.co_consts)
    return ast.unparse(around[0 if has_inner else -1])


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _bare(statement: _Definition) -> _Definition:
    """Without what does not matter; the keywords of a class are told beside it, where they do."""
    statement.name = "_"
    statement.decorator_list = []
    if isinstance(statement, ast.ClassDef):
        statement.keywords = []
    for node in ast.walk(statement):
        if isinstance(node, _Definition):
            node.body = _without_docstring(node.body)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return statement


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest or [ast.Pass()]
    return body


def _compiled(code: CodeType, docstring: str | None = None) -> str:
    """For what has no source. It changes with the version of Python, too."""
    constants = [
        _compiled(one) if isinstance(one, CodeType) else _told(None if one == docstring else one, ())
        for one in code.co_consts
    ]
    return repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))


def _held(function: FunctionType, within: tuple[int, ...]) -> str:
    """The values of its defaults and of what it closes over."""
    held: list[Any] = [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]
    for cell in function.__closure__ or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # not given a value yet
            held.append(None)
    return f" {_told(held, within)}" if held else ""


def _told(value: Any, within: tuple[int, ...]) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, type) or inspect.isbuiltin(value):
        return value.__qualname__
    if id(value) in within:
        return ""
    if isinstance(value, (FunctionType, partial)) or inspect.ismethod(value):
        return _code_of(value, within)
    within = (*within, id(value))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_told(one, within) for one in value)}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(_told(one, within) for one in value))}}}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{_told(key, within)}: {_told(one, within)}' for key, one in value.items()))}}}"
    call = getattr(type(value), "__call__", None)  # noqa: B004 - for its code
    if isinstance(call, FunctionType) and hasattr(value, "__dict__"):
        return f"{type(value).__qualname__} {_code_of(call, within)} {_told(vars(value), within)}"
    return type(value).__qualname__
