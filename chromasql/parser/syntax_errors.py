"""What Lark could not read, said in words: the hint, and where its caret belongs."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from chromasql._source import Span
from chromasql.errors import near_names
from chromasql.grammar import CLAUSE_KEYWORDS, RESERVED, describe_terminals, keywords

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

__all__ = [
    "AGGREGATES",
    "BM25_ARGUMENTS",
    "KNN_ARGUMENTS",
    "NO_QUERY",
    "SyntaxErrorExplainer",
    "reserved_word_message",
    "span_of",
    "unknown_function_message",
]

AGGREGATES = ("AVG", "COUNT", "MAX", "MIN", "SUM")


KNN_ARGUMENTS = ("query", "key", "limit", "default", "return_rank")


BM25_ARGUMENTS = ("limit", "default", "return_rank", "k1", "b")


_WRITING = frozenset(
    {"ALTER", "CREATE", "DELETE", "DROP", "INSERT", "MERGE", "REPLACE", "TRUNCATE", "UPDATE", "UPSERT"}
)


_JOINING = frozenset({"CROSS", "FULL", "INNER", "JOIN", "LEFT", "NATURAL", "ON", "OUTER", "RIGHT", "UNION"})


NO_QUERY = "KNN needs a query: KNN('words'), KNN([0.1, 0.2]) or KNN(:q)"


_LONGEST_SHOWN = 40


_NO_SUBQUERIES = "there are no subqueries; run the inner statement first and pass its rows as a parameter"


_SUBQUERY = re.compile(r"\(\s*SELECT\b", re.IGNORECASE)


_PLAIN_NAME = re.compile(r"[\w*]+(?:[.-][\w*]+)*", re.ASCII)


_CLAUSES = {phrase.split()[0]: phrase for phrase in CLAUSE_KEYWORDS}


_AGGREGATING = frozenset({"SELECT", "WHERE", "HAVING", "ORDER", "KEEP"})


_OPENERS = _AGGREGATING | _CLAUSES.keys()


_ARGUMENTS = {"KNN": KNN_ARGUMENTS, "BM25": BM25_ARGUMENTS}


def span_of(part: Any) -> Span:
    """Return where a token (Lark's tokens are strings), a node or a part of a statement stands."""
    token: Any = part if isinstance(part, str) else None
    return part.span if token is None else Span(token.start_pos, token.end_pos)


def reserved_word_message(word: str) -> str:
    """Say that a keyword is no field."""
    if word.upper() in ("FROM", "KEEP"):
        return f"expected a column, found {word.upper()}"
    return (
        f"{word.upper()} is a keyword and no field by itself; "
        f"if a metadata key is meant, write metadata.{word} or `{word}`"
    )


def unknown_function_message(name: str) -> str:
    """Say that there is no such function outside of RANK BY."""
    known = f"; {', '.join(AGGREGATES)} aggregate, and other functions belong in RANK BY"
    return f"no function {name} here{near_names(name.upper(), AGGREGATES) or known}"


class SyntaxErrorExplainer:
    """
    One thing that Lark could not read, to be said in words.

    ``stack`` is what the parser had read and not yet put together, its latest last, and ``expected`` the
    terminals that could have followed.
    """

    def __init__(self, text: str, error: UnexpectedCharacters | UnexpectedToken, lark: Lark) -> None:
        from lark.exceptions import UnexpectedToken

        parser: Any = error.interactive_parser
        self.text = text
        self.lark = lark
        # Padded, so that there always is a last but one.
        self.stack: list[Any] = [None, None, *parser.parser_state.value_stack]
        self.expected: set[str] = parser.accepts()
        self.previous: Any = self.stack[-1]
        if not isinstance(error, UnexpectedToken):
            at = error.pos_in_stream or 0
            self.kind, self.word, self.span = "CHARACTER", text[at], Span(at, at + 1)
        elif error.token.type == "$END":
            end = error.token.end_pos or len(text.rstrip())
            self.kind, self.word, self.span = "$END", "", Span(end, end)
        else:
            self.kind, self.word, self.span = error.token.type, str(error.token), span_of(error.token)

    def explain(self) -> tuple[str, Span]:
        """Return the message and where its caret belongs."""
        return (
            self._statement_hint()
            or self._character_hint()
            or self._string_hint()
            or self._argument_hint()
            or self._function_hint()
            or self._reserved_hint()
            or self._word_hint()
            or (f"expected {self._expectation()}, found {self._found()}", self.span)
        )

    def _after(self, *types: str) -> bool:
        """Whether the tokens just read are of these types."""
        latest = self.stack[-len(types) :]
        return len(latest) == len(types) and all(map(_is_token, latest, types))

    def _open_call(self) -> Any:
        """Return what stands before the innermost bracket that is open, if anything."""
        for at in range(len(self.stack) - 1, 0, -1):
            if _is_token(self.stack[at], "LPAR"):
                return self.stack[at - 1]
        return None

    def _statement_hint(self) -> tuple[str, Span] | None:
        """Explain what other dialects have and this one has not."""
        word = self.word.upper()
        if "SELECT" in self.expected and word in _WRITING:
            return f"ChromaSQL only reads; there is no {word}", self.span
        if self._after("SHOW") and word == "TABLES":
            return "there are no tables; write SHOW COLLECTIONS", self.span
        if "WHERE" in self.expected and word in _JOINING:
            what = "UNION" if word == "UNION" else "JOIN"
            return f"there is no {what}; FROM a, b asks both collections and merges their rows", self.span
        if _SUBQUERY.match(self.text, self.span.start) or (word == "SELECT" and self._after("LPAR")):
            return _NO_SUBQUERIES, self.span
        if self._after("LPAR", "NAME") and self.previous.upper() == "SELECT":
            return _NO_SUBQUERIES, span_of(self.previous)
        if self._after("SELECT", "NAME") and self.previous.upper() == "TOP" and word.isdigit():
            return f"there is no SELECT TOP; write LIMIT {word} at the end", span_of(self.previous)
        if self.kind == "COMMA" and _is_token(self.stack[-2], "LIMIT"):
            first = self.text[slice(*span_of(self.previous))]
            return f"there is no LIMIT {first}, n; write LIMIT n OFFSET {first}", self.span
        if self._after("DOT") and word.startswith("*"):
            root = str(self.stack[-2]) if _is_token(self.stack[-2], "NAME") else "metadata"
            whole = "metadata alone is all of it" if root.lower() == "metadata" else "* alone is everything"
            return f"there is no {root}.*; {whole}", Span(self.span.start, self.span.start + 1)
        if self._after("ORDER", "BY", "NAME") and self.previous.upper() == "RANK":
            return "there is no ORDER BY RANK; write RANK BY and the expression", span_of(self.previous)
        return None

    def _character_hint(self) -> tuple[str, Span] | None:
        if self.text.startswith("/*", self.span.start):
            return "the comment that opens here has no closing */", self.span
        if self.kind != "CHARACTER":
            return None
        if self.word in "'\"`":
            what = "name" if self.word == "`" else "string"
            return f"the {what} that opens here has no closing quote", self.span
        if self.word in "\u2018\u2019\u201c\u201d":
            return f"{self.word} is no quote here; write ' or \"", self.span
        if self.word.isalnum():
            return f"a name that holds {self.word} needs backticks", self.span
        if not self.word.isprintable() or not self.word.isascii():
            name = unicodedata.name(self.word, "a control character")
            return f"unexpected character U+{ord(self.word):04X}, {name}", self.span
        return None

    def _string_hint(self) -> tuple[str, Span] | None:
        """Explain a string where only a name can stand."""
        if self.kind != "STRING" or "BACKQUOTED" not in self.expected:
            return None
        if "KNN" in self.expected:
            return "a text does not rank by itself; write KNN('words') or BM25('words')", self.span
        name = self.word[1:-1]
        written = name if _PLAIN_NAME.fullmatch(name) else f"`{name}`"
        where = "FROM " if self._after("FROM") else ""
        return f"quotes like these make a string; write {where}{written}", self.span

    def _argument_hint(self) -> tuple[str, Span] | None:
        """Explain the brackets of KNN, BM25, RRF and WITH."""
        if self._after("KNN", "LPAR") and self.kind == "RPAR":
            return NO_QUERY, self.span
        if self._after("KNN", "LPAR", "NAME"):
            return f"KNN takes the query first: KNN('words', key = {self.previous})", span_of(self.previous)
        if self._after("RRF", "LPAR") and self.kind == "RPAR":
            return "RRF needs ranks: RRF(KNN('words'), BM25('words'))", self.span
        if self._after("RRF", "LPAR", "NAME") and self.word == "=":
            return f"RRF takes its ranks first: RRF(KNN('words'), {self.previous} = ..)", span_of(self.previous)
        if "EQUAL" in self.expected:
            if _is_token(self._open_call(), "RRF"):
                return "RRF takes its ranks first, then its named arguments", span_of(self.previous)
            return f"{self.previous} needs a value: {self.previous} = ..", self.span
        call = self._open_call()
        if self._after("COMMA") and (_is_token(call, "KNN") or _is_token(call, "BM25")):
            known = ", ".join(f"{name} =" for name in _ARGUMENTS[call.type] if name != "query")
            return f"{call.type} takes one query; the rest is named: {known}", self.span
        return None

    def _function_hint(self) -> tuple[str, Span] | None:
        """Explain functions and arithmetic outside of RANK BY."""
        keyword = next((part.type for part in reversed(self.stack) if getattr(part, "type", "") in _OPENERS), "")
        if keyword not in _AGGREGATING or self.kind == "$END":
            return None
        call = self._open_call()
        if _is_token(call, "NAME"):
            if call.upper() == "TOP":
                return "there is no SELECT TOP; write LIMIT at the end", span_of(call)
            if call.upper() not in AGGREGATES:
                return unknown_function_message(call), span_of(call)
            if _is_token(self.previous, "LPAR"):
                return f"{call.upper()} takes a field, found {self._found()}", self.span
        if "DOT" in self.expected and self.word[0] in "+-*/":
            return "there is no arithmetic here; it belongs in RANK BY", self.span
        return None

    def _reserved_hint(self) -> tuple[str, Span] | None:
        if _is_token(self.previous, "NAME") and self.previous.upper() in RESERVED:
            return reserved_word_message(self.previous), span_of(self.previous)
        return None

    def _word_hint(self) -> tuple[str, Span] | None:
        """Explain a word that stands where a keyword belongs: misspelt, or an alias without AS."""
        if self.kind not in ("NAME", "SOURCE") or self.word[0].isdigit():
            return None
        known = sorted(self.expected & keywords())
        near = difflib.get_close_matches(self.word.upper(), known, n=1)
        if near and near[0] in _CLAUSES:
            return f"unknown clause {self.word}; did you mean {_CLAUSES[near[0]]}?", self.span
        if near:
            return f"unknown word {self.word}; did you mean {near[0]}?", self.span
        if "AS" in self.expected:
            return f"{self.word} is unexpected; an alias needs AS: AS {self.word}", self.span
        if "STRING" in self.expected:
            found = self._found()
            return (
                f"expected {self._expectation()}, found {found}; a string needs quotes: '{found}'",
                self.span,
            )
        if "WHERE" in self.expected and "AND" not in self.expected:
            return f"unknown clause {self.word}; a clause is one of {', '.join(CLAUSE_KEYWORDS)}", self.span
        return None

    def _expectation(self) -> str:
        patterns = {each.name: each.pattern.value for each in self.lark.terminals if each.pattern.type == "str"}
        names = describe_terminals(self.expected, patterns)
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"

    def _found(self) -> str:
        if self.kind == "$END":
            return "the end of the statement"
        word = self.word if len(self.word) <= _LONGEST_SHOWN else f"{self.word[: _LONGEST_SHOWN - 3]}..."
        return word if any(map(str.isalnum, word)) else f"'{word}'"


def _is_token(part: Any, kind: str) -> bool:
    return getattr(part, "type", None) == kind
