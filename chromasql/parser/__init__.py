"""Text to tree: Lark reads by the grammar, the builder makes nodes, and what needs the whole statement comes last."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from typing import TYPE_CHECKING

from chromasql import _publish, ast
from chromasql._source import Span
from chromasql.concurrency.byte_cache import ByteCache
from chromasql.errors import ChromaSQLParseError
from chromasql.grammar import load_grammar
from chromasql.parser.builder import Builder
from chromasql.parser.syntax_errors import explain_syntax_error

if TYPE_CHECKING:
    from lark import Lark

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "parse", "parse_script"]

MAX_DEPTH = 100
"""The maximal depth of predicates and rank expressions."""


MAX_LENGTH = 1_000_000
"""The maximal number of characters of a statement; long lists belong in a parameter."""


# The bytes of a tree for each character of its text, measured over statements short and long.
_BYTES_PER_CHARACTER = 85


def parse(text: str) -> ast.Statement:
    """
    Parse one statement, with or without a closing semicolon.

    Raises `ChromaSQLParseError`, whose text shows the line with a caret. The tree is frozen, and a text that was
    parsed recently is not parsed again.
    """
    statements = parse_script(text)
    if len(statements) > 1:
        raise ChromaSQLParseError(
            "more than one statement where one is expected; run each by itself (in Python, execute_many takes several)",
            code="multiple-statements",
            source=text,
            span=statements[1].span,
        )
    return statements[0]


def parse_script(text: str) -> ast.Script:
    """Parse one or more statements separated by semicolons; see `parse`."""
    if not isinstance(text, str):
        raise ChromaSQLParseError(f"a statement is a str, not {type(text).__name__}", code="invalid-argument")
    if len(text) > MAX_LENGTH:
        raise ChromaSQLParseError(
            f"the statement has {len(text)} characters, more than {MAX_LENGTH}; pass long lists as parameters",
            code="too-long",
        )
    kept = _kept.get(text)
    return _kept.keep(text, _read(text), _BYTES_PER_CHARACTER * len(text)) if kept is None else kept


def _read(text: str) -> ast.Script:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    try:
        text.encode()
        statements: tuple[ast.Statement, ...] = _parser().parse(text)  # type: ignore[assignment]
        return tuple([_finished(statement, text) for statement in statements])
    except UnicodeEncodeError as error:
        raise ChromaSQLParseError(
            "unpaired surrogate: not valid Unicode",
            code="invalid-literal",
            source=text,
            span=Span(error.start, error.start + 1),
        ) from None
    except (UnexpectedCharacters, UnexpectedToken) as error:
        raise explain_syntax_error(text, error, _parser()) from None
    except ChromaSQLParseError as error:
        error.located_in(text)
        raise


_kept: ByteCache[str, ast.Script] = ByteCache(16_000_000)


@cache
def _parser() -> Lark:
    return load_grammar(Builder())


# After the parser


def _finished(statement: ast.Statement, text: str) -> ast.Statement:
    """Check the depth, number the ``?`` parameters and resolve aliases."""
    questions: list[ast.Parameter] = []
    qualified: list[ast.Field] = []
    pending: list[tuple[ast.Node, int]] = [(statement, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ChromaSQLParseError(f"nested deeper than {MAX_DEPTH} levels", code="too-deep", span=node.span)
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
        id(node): dataclasses.replace(node, key=position) for position, node in enumerate(questions, start=1)
    }
    if isinstance(statement, ast.Query):
        _check_comments(statement, text)
        names = {source.alias or source.name for source in statement.sources}
        _check_hyphens(statement, names, text)
        changes.update((id(node), _unqualified(node, names)) for node in qualified if node.path[0] in names)
    if changes:
        statement = ast.transform(statement, lambda node: changes.get(id(node), node))
    return dataclasses.replace(statement, source_text=text)


# A comment that reads on like the name before it.
_GLUED_COMMENT = re.compile(r"--[A-Za-z0-9_.]")


def _check_comments(query: ast.Query, text: str) -> None:
    """Refuse ``FROM logs--old``, where a comment would hide the rest of a name that Chroma allows."""
    for source in (*query.sources, *query.excluded):
        if _GLUED_COMMENT.match(text, source.span.end) and not source.quoted:
            raise ChromaSQLParseError(
                f"-- begins a comment, so {source.name} alone would be asked; for a name with -- use backticks, "
                "and for a comment put a blank before it",
                code="ambiguous-comment",
                span=Span(source.span.start, source.span.end + 2),
            )


_HYPHEN = re.compile(r"\w-\w")


def _check_hyphens(query: ast.Query, names: set[str | ast.Parameter], text: str) -> None:
    """Refuse ``acme-api.title``, where a minus without blanks joins two names to that of a collection."""
    if not _HYPHEN.search(text):
        return
    for node in ast.walk(query):
        if not ast.is_hyphenated(node):
            continue
        word = text[slice(*node.span)]
        name = next((str(name) for name in names if word == name or word.startswith(f"{name}.")), None)
        if name is not None:
            rest = word[len(name) + 1 :]
            fix = f"write {rest} alone, or give the collection an alias" if rest else f"write `{name}` for a key"
            raise ChromaSQLParseError(
                f"{word} is {word.replace('-', ' - ')} here, though FROM has {name}; {fix}",
                code="ambiguous-hyphen",
                span=node.span,
            )


def _unqualified(field: ast.Field, names: set[str | ast.Parameter]) -> ast.Field:
    """Read ``d.lang`` as the field ``lang``, where ``d`` is the name or the alias of the collection."""
    qualifier, *rest = field.path
    if len(names) > 1:
        raise ChromaSQLParseError(
            f"{qualifier}.{'.'.join(rest)} names one of several collections, but a field is read from all of them; "
            f"write {'.'.join(rest)}, and filter on _collection to restrict it to one",
            code="invalid-qualifier",
            span=field.span,
        )
    head = rest[0].lower()
    if head == "metadata":
        return dataclasses.replace(field, path=tuple(rest[1:]), bare=False, qualifier=qualifier)
    if head in ast.SYSTEM_COLUMNS and len(rest) == 1:
        return dataclasses.replace(field, root=head, path=(), bare=False, qualifier=qualifier)
    return dataclasses.replace(field, path=tuple(rest), qualifier=qualifier)


_publish(__name__)
