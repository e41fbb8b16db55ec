"""Text to ast: Lark reads by the grammar, the builder makes nodes, and what needs the whole statement comes last."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from chromasql import ast
from chromasql._source import Span
from chromasql.errors import ChromaSQLParseError
from chromasql.grammar import load_grammar
from chromasql.parser.builder import Builder
from chromasql.parser.syntax_errors import SyntaxErrorExplainer

if TYPE_CHECKING:
    from lark import Lark

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "parse", "parse_script"]

MAX_DEPTH = 100
"""How deep predicates and rank expressions may nest."""


MAX_LENGTH = 1_000_000
"""How many characters a statement may have; long lists belong in a parameter."""


_KEPT_LENGTH = 10_000
"""How long a text may be for its tree to be kept."""


def parse(text: str) -> ast.Statement:
    """
    Parse one statement, with or without a closing semicolon.

    Raises `ChromaSQLParseError`, which draws the line with a caret. The result is frozen; a text
    parsed before is not parsed again.
    """
    statements = parse_script(text)
    if len(statements) > 1:
        raise ChromaSQLParseError(
            "more than one statement; parse_script and execute_many take several",
            source=text,
            span=statements[1].span,
        )
    return statements[0]


def parse_script(text: str) -> ast.Script:
    """Parse one or more statements separated by semicolons; see `parse`."""
    if not isinstance(text, str):
        raise ChromaSQLParseError(f"a statement is a str, not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise ChromaSQLParseError(
            f"the statement has {len(text)} characters, more than {MAX_LENGTH}; give long lists as parameters"
        )
    return _kept(text) if len(text) <= _KEPT_LENGTH else _read(text)


def _read(text: str) -> ast.Script:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    try:
        text.encode()
        statements: tuple[ast.Statement, ...] = _parser().parse(text)  # type: ignore[assignment]
        return tuple(_finished(statement, text) for statement in statements)
    except UnicodeEncodeError as error:
        raise ChromaSQLParseError(
            "half of a surrogate pair is no character", source=text, span=Span(error.start, error.start + 1)
        ) from None
    except (UnexpectedCharacters, UnexpectedToken) as error:
        message, span = SyntaxErrorExplainer(text, error, _parser()).explain()
        raise ChromaSQLParseError(message, source=text, span=span) from None
    except ChromaSQLParseError as error:
        error.source = text
        raise


_kept = lru_cache(maxsize=512)(_read)


@cache
def _parser() -> Lark:
    return load_grammar(_Spanning(Builder()))


class _Spanning:
    """Lets Lark call a builder's methods with the span of the rule, then all that the rule matched."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder

    def __getattr__(self, rule: str) -> Callable[[list[Any]], Any]:
        method = getattr(self._builder, rule)

        def build(children: list[Any]) -> Any:
            first, last = children[0], children[-1]
            if first is None or last is None:
                present = [child for child in children if child is not None]
                first, last = present[0], present[-1]
            start = first.start_pos if isinstance(first, str) else first.span[0]  # type: ignore[attr-defined]
            end = last.end_pos if isinstance(last, str) else last.span[1]  # type: ignore[attr-defined]
            return method(Span(start, end), *children)

        return build


# After the parser


def _finished(statement: ast.Statement, text: str) -> ast.Statement:
    """Check the depth, number ``?`` parameters, resolve aliases: what needs the whole statement."""
    questions: list[ast.Parameter] = []
    qualified: list[ast.Field] = []
    pending: list[tuple[ast.Node, int]] = [(statement, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ChromaSQLParseError(f"nested deeper than {MAX_DEPTH} levels", span=node.span)
        for child in ast.children(node):
            if isinstance(child, ast.Parameter):
                if child.key == 0:
                    questions.append(child)
            elif isinstance(child, ast.Field):
                if child.bare and len(child.path) > 1:
                    qualified.append(child)
            elif not isinstance(child, ast.Literal):
                pending.append((child, depth + 1))
    questions.sort(key=lambda node: node.span)
    changes: dict[int, ast.Node] = {
        id(node): dataclasses.replace(node, key=at) for at, node in enumerate(questions, start=1)
    }
    if isinstance(statement, ast.Query):
        names = {source.alias or source.name for source in statement.sources}
        changes.update((id(node), _unqualified(node, names)) for node in qualified if node.path[0] in names)
    if changes:
        statement = ast.transform(statement, lambda node: changes.get(id(node), node))
    return dataclasses.replace(statement, source_text=text)


def _unqualified(field: ast.Field, names: set[str | ast.Parameter]) -> ast.Field:
    """Read ``d.lang`` as the field ``lang``, where ``d`` is what FROM calls its collection."""
    qualifier, *rest = field.path
    if len(names) > 1:
        raise ChromaSQLParseError(
            f"a field means the same in all collections, so {qualifier} cannot single one out; "
            f"write {'.'.join(rest)}, and filter on _collection if one is meant",
            span=field.span,
        )
    head = rest[0].lower()
    if head == "metadata":
        return dataclasses.replace(field, path=tuple(rest[1:]), bare=False, qualifier=qualifier)
    if head in ast.SYSTEM_COLUMNS and len(rest) == 1:
        return dataclasses.replace(field, root=head, path=(), bare=False, qualifier=qualifier)
    return dataclasses.replace(field, path=tuple(rest), qualifier=qualifier)
