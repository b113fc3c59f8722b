"""Names that Python source binds, read from its syntax tree; nothing of it is run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

_UNSEEN = ("globals", "locals", "vars", "setattr", "exec", "__dict__", "modules")
"""By which a file may bind a name that stands nowhere in it."""


def bound_names(content: bytes) -> tuple[str, ...] | None:
    """The names that a file binds anywhere, functions first.

    None where a file may bind others, or is no Python source, which running it tells.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the file is warned of is told when it runs
        try:
            nodes = tuple(ast.walk(ast.parse(content)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    named = {getattr(node, "id", None) or getattr(node, "attr", None) for node in nodes}
    imported = [name for node in nodes if isinstance(node, ast.alias) for name in _imported(node)]
    if "*" in imported or named.intersection(_UNSEEN):
        return None
    functions = [node.name for node in nodes if isinstance(node, ast.FunctionDef)]
    return tuple(dict.fromkeys((*functions, *imported, *(name for node in nodes for name in _others(node)))))


def _imported(alias: ast.alias) -> Iterator[str]:
    yield alias.asname or alias.name.partition(".")[0]


def _others(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
