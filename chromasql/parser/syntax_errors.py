"""Syntax errors in words: what Lark could not read, a hint, and where the caret belongs."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from chromasql import ast
from chromasql._source import Span
from chromasql.ast.traversal import content_names
from chromasql.errors import ChromaSQLParseError, near_names
from chromasql.grammar import CLAUSE_KEYWORDS, RESERVED, describe_terminals, keywords, terminal_pattern
from chromasql.parser.literals import span_of

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

__all__ = [
    "NAMED_ARGUMENTS",
    "NO_QUERY",
    "explain_syntax_error",
    "query_first_message",
    "reserved_word_message",
    "unknown_function_message",
]

NAMED_ARGUMENTS = {
    function: content_names(node)[1:] for function, node in (("BM25", ast.Bm25), ("KNN", ast.Knn), ("RRF", ast.Rrf))
}
"""The named arguments of each function that has a keyword of its own; the first field of its node is positional."""


NO_QUERY = "KNN needs a query: KNN('words'), KNN([0.1, 0.2]) or KNN(:q)"


_WRITING = frozenset(
    {"ALTER", "CREATE", "DELETE", "DROP", "INSERT", "MERGE", "REPLACE", "TRUNCATE", "UPDATE", "UPSERT"}
)


_JOINING = frozenset({"CROSS", "FULL", "INNER", "JOIN", "LEFT", "NATURAL", "ON", "OUTER", "RIGHT", "UNION"})


_MAX_SHOWN = 40


_NO_SUBQUERIES = "there are no subqueries; run the inner statement first and pass its rows as a parameter"


_SUBQUERY = re.compile(r"\(\s*SELECT\b", re.IGNORECASE)


_CLAUSES = {phrase.split()[0]: phrase for phrase in CLAUSE_KEYWORDS}


_AGGREGATING = frozenset({"SELECT", "WHERE", "HAVING", "ORDER", "KEEP"})


_OPENERS = _AGGREGATING | _CLAUSES.keys()


class _Explanation(NamedTuple):
    """What is wrong, as a sentence and a code, and the span that the caret belongs under."""

    message: str
    span: Span
    code: str


def reserved_word_message(word: str) -> str:
    """Return the message for a keyword in the place of a field."""
    if word.upper() in ("FROM", "KEEP"):
        return f"expected a column, found {word.upper()}"
    return (
        f"{word.upper()} is a keyword, not a field; for a metadata key of that name write metadata.{word} or `{word}`"
    )


def unknown_function_message(name: str) -> str:
    """Return the message for a function that does not exist outside RANK BY."""
    hint = f"; the aggregates are {', '.join(ast.AGGREGATES)}, and other functions belong in RANK BY"
    return f"there is no function {name} here{near_names(name.upper(), ast.AGGREGATES) or hint}"


def query_first_message(field: str) -> str:
    """Return the message for a field in the place of the query of KNN."""
    return f"KNN takes the query first: KNN('words', key = {field})"


def explain_syntax_error(text: str, error: UnexpectedCharacters | UnexpectedToken, lark: Lark) -> ChromaSQLParseError:
    """Return an error of ours for one of Lark's: it says what was expected, or what to write instead."""
    explanation = _Explainer(text, error, lark).explain()
    return ChromaSQLParseError(explanation.message, code=explanation.code, source=text, span=explanation.span)


class _Explainer:
    """
    Explains one error of Lark.

    ``stack`` holds the tokens and nodes that the parser had read but not yet reduced, the latest last, and
    ``expected`` the terminals that could have followed.
    """

    def __init__(self, text: str, error: UnexpectedCharacters | UnexpectedToken, lark: Lark) -> None:
        from lark.exceptions import UnexpectedToken

        parser: Any = error.interactive_parser
        self.text = text
        self.lark = lark
        # Padded, so that there always is a second last.
        self.stack: list[Any] = [None, None, *parser.parser_state.value_stack]
        self.expected: set[str] = parser.accepts()
        self.previous: Any = self.stack[-1]
        if not isinstance(error, UnexpectedToken):
            start = error.pos_in_stream or 0
            self.kind, self.word, self.span = "CHARACTER", text[start], Span(start, start + 1)
        elif error.token.type == "$END":
            end = error.token.end_pos or len(text.rstrip())
            self.kind, self.word, self.span = "$END", "", Span(end, end)
        else:
            self.kind, self.word, self.span = error.token.type, str(error.token), span_of(error.token)

    def explain(self) -> _Explanation:
        return (
            self._statement_hint()
            or self._character_hint()
            or self._string_hint()
            or self._argument_hint()
            or self._function_hint()
            or self._reserved_hint()
            or self._word_hint()
            or _Explanation(f"expected {self._expectation()}, found {self._found()}", self.span, code="syntax-error")
        )

    def _after(self, *types: str) -> bool:
        """Whether the latest tokens are of these types."""
        latest = self.stack[-len(types) :]
        return len(latest) == len(types) and all(map(_is_token, latest, types))

    def _open_call(self) -> Any:
        """Return what is before the innermost open bracket, or None if no bracket is open."""
        for index in range(len(self.stack) - 1, 0, -1):
            if _is_token(self.stack[index], "LPAR"):
                return self.stack[index - 1]
        return None

    def _statement_hint(self) -> _Explanation | None:
        """Explain constructs of other SQL dialects that ChromaSQL does not have."""
        word = self.word.upper()
        if "SELECT" in self.expected and word in _WRITING:
            return _Explanation(f"ChromaSQL is read-only; there is no {word}", self.span, code="unsupported-syntax")
        if self._after("SHOW") and word == "TABLES":
            return _Explanation("there are no tables; write SHOW COLLECTIONS", self.span, code="unsupported-syntax")
        if "WHERE" in self.expected and word in _JOINING:
            what = "UNION" if word == "UNION" else "JOIN"
            return _Explanation(
                f"there is no {what}; FROM a, b searches both collections and merges their rows",
                self.span,
                code="unsupported-syntax",
            )
        if _SUBQUERY.match(self.text, self.span.start) or (word == "SELECT" and self._after("LPAR")):
            return _Explanation(_NO_SUBQUERIES, self.span, code="unsupported-syntax")
        if self._after("LPAR", "NAME") and self.previous.upper() == "SELECT":
            return _Explanation(_NO_SUBQUERIES, span_of(self.previous), code="unsupported-syntax")
        if self._after("SELECT", "NAME") and self.previous.upper() == "TOP" and word.isdigit():
            return _Explanation(
                f"there is no SELECT TOP; write LIMIT {word} at the end",
                span_of(self.previous),
                code="unsupported-syntax",
            )
        if self.kind == "COMMA" and _is_token(self.stack[-2], "LIMIT"):
            first = self.text[slice(*span_of(self.previous))]
            return _Explanation(
                f"there is no LIMIT {first}, n; write LIMIT n OFFSET {first}", self.span, code="unsupported-syntax"
            )
        if self._after("DOT") and word.startswith("*"):
            root = str(self.stack[-2]) if _is_token(self.stack[-2], "NAME") else "metadata"
            whole = "write metadata for all of it" if root.lower() == "metadata" else "write * for all columns"
            return _Explanation(
                f"there is no {root}.*; {whole}", Span(self.span.start, self.span.start + 1), code="unsupported-syntax"
            )
        if self._after("ORDER", "BY", "NAME") and self.previous.upper() == "RANK":
            return _Explanation(
                "there is no ORDER BY RANK; write RANK BY and the expression",
                span_of(self.previous),
                code="unsupported-syntax",
            )
        return None

    def _character_hint(self) -> _Explanation | None:
        if self.text.startswith("/*", self.span.start):
            return _Explanation("the comment that opens here has no closing */", self.span, code="syntax-error")
        if self.kind != "CHARACTER":
            return None
        if self.word in "'\"`":
            what = "name" if self.word == "`" else "string"
            return _Explanation(f"the {what} that opens here has no closing quote", self.span, code="syntax-error")
        if self.word in "\u2018\u2019\u201c\u201d":
            return _Explanation(
                f"{self.word} is not a quotation mark of SQL; write ' or \"", self.span, code="syntax-error"
            )
        if self.word.isalnum():
            return _Explanation(f"a name that holds {self.word} needs backticks", self.span, code="syntax-error")
        if not self.word.isprintable() or not self.word.isascii():
            name = unicodedata.name(self.word, "a control character")
            return _Explanation(f"unexpected character U+{ord(self.word):04X}, {name}", self.span, code="syntax-error")
        return None

    def _string_hint(self) -> _Explanation | None:
        """Explain a string where only a name is allowed."""
        if self.kind != "STRING" or "BACKQUOTED" not in self.expected:
            return None
        if "KNN" in self.expected:
            return _Explanation(
                "a string is not a rank expression; write KNN('words') or BM25('words')", self.span, code="syntax-error"
            )
        name = self.word[1:-1]
        written = name if terminal_pattern("SOURCE").fullmatch(name) else f"`{name}`"
        place, clause = ("a collection", "FROM ") if self._after("FROM") else ("a name", "")
        return _Explanation(
            f"expected {place}, found a string; write {clause}{written}", self.span, code="syntax-error"
        )

    def _argument_hint(self) -> _Explanation | None:
        """Explain the brackets of KNN, BM25, RRF and WITH."""
        if self._after("KNN", "LPAR") and self.kind == "RPAR":
            return _Explanation(NO_QUERY, self.span, code="missing-argument")
        if self._after("KNN", "LPAR", "NAME"):
            return _Explanation(query_first_message(self.previous), span_of(self.previous), code="missing-argument")
        if self._after("RRF", "LPAR") and self.kind == "RPAR":
            return _Explanation("RRF needs ranks: RRF(KNN('words'), BM25('words'))", self.span, code="missing-argument")
        if self._after("RRF", "LPAR", "NAME") and self.word == "=":
            return _Explanation(
                f"RRF takes its ranks first: RRF(KNN('words'), {self.previous} = ..)",
                span_of(self.previous),
                code="missing-argument",
            )
        if "EQUAL" in self.expected:
            if _is_token(self._open_call(), "RRF"):
                return _Explanation(
                    "RRF takes its ranks first, then its named arguments", span_of(self.previous), code="syntax-error"
                )
            return _Explanation(
                f"{self.previous} needs a value: {self.previous} = ..", self.span, code="missing-argument"
            )
        call = self._open_call()
        if self._after("COMMA") and (_is_token(call, "KNN") or _is_token(call, "BM25")):
            known = ", ".join(f"{name} =" for name in NAMED_ARGUMENTS[call.type])
            return _Explanation(
                f"{call.type} takes one query; its other arguments are named: {known}", self.span, code="syntax-error"
            )
        return None

    def _function_hint(self) -> _Explanation | None:
        """Explain functions and arithmetic outside RANK BY."""
        keyword = next((part.type for part in reversed(self.stack) if getattr(part, "type", "") in _OPENERS), "")
        if keyword not in _AGGREGATING or self.kind == "$END":
            return None
        call = self._open_call()
        if _is_token(call, "NAME"):
            if call.upper() == "TOP":
                return _Explanation(
                    "there is no SELECT TOP; write LIMIT at the end", span_of(call), code="unsupported-syntax"
                )
            if call.upper() not in ast.AGGREGATES:
                return _Explanation(unknown_function_message(call), span_of(call), code="unknown-function")
            if _is_token(self.previous, "LPAR"):
                return _Explanation(
                    f"{call.upper()} takes a field, found {self._found()}", self.span, code="invalid-argument"
                )
        if "DOT" in self.expected and self.word[0] in "+-*/":
            return _Explanation("arithmetic is allowed only in RANK BY", self.span, code="unsupported-syntax")
        return None

    def _reserved_hint(self) -> _Explanation | None:
        if _is_token(self.previous, "NAME") and self.previous.upper() in RESERVED:
            return _Explanation(reserved_word_message(self.previous), span_of(self.previous), code="reserved-word")
        return None

    def _word_hint(self) -> _Explanation | None:
        """Explain a word in the place of a keyword: misspelt, or an alias without AS."""
        if self.kind not in ("NAME", "SOURCE") or self.word[0].isdigit():
            return None
        known = sorted(self.expected & keywords())
        near = difflib.get_close_matches(self.word.upper(), known, n=1)
        if near and near[0] in _CLAUSES:
            return _Explanation(
                f"unknown clause {self.word}; did you mean {_CLAUSES[near[0]]}?", self.span, code="unknown-clause"
            )
        if near:
            return _Explanation(f"unknown word {self.word}; did you mean {near[0]}?", self.span, code="syntax-error")
        if "AS" in self.expected:
            return _Explanation(
                f"{self.word} is unexpected; an alias needs AS: AS {self.word}", self.span, code="syntax-error"
            )
        if "STRING" in self.expected:
            found = self._found()
            message = f"expected {self._expectation()}, found {found}; a string needs quotes: '{found}'"
            return _Explanation(message, self.span, code="syntax-error")
        if "WHERE" in self.expected and "AND" not in self.expected:
            return _Explanation(
                f"unknown clause {self.word}; a clause is one of {', '.join(CLAUSE_KEYWORDS)}",
                self.span,
                code="unknown-clause",
            )
        return None

    def _expectation(self) -> str:
        terminals = self.lark.terminals
        patterns = {terminal.name: terminal.pattern.value for terminal in terminals if terminal.pattern.type == "str"}
        names = describe_terminals(self.expected, patterns)
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"

    def _found(self) -> str:
        if self.kind == "$END":
            return "the end of the statement"
        word = self.word if len(self.word) <= _MAX_SHOWN else f"{self.word[: _MAX_SHOWN - 3]}..."
        return word if any(map(str.isalnum, word)) else f"'{word}'"


def _is_token(part: Any, kind: str) -> bool:
    return getattr(part, "type", None) == kind
