"""The builder that Lark calls while it reads the text: rules of the grammar to nodes of the tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chromasql._source import Span
from chromasql.parser import build_calls, build_clauses, build_expressions, build_ranks, build_statements, build_values

__all__ = ["RULES", "Builder"]

RULES: dict[str, Callable[..., Any]] = {
    rule: getattr(module, rule)
    for module in (build_calls, build_clauses, build_expressions, build_ranks, build_statements, build_values)
    for rule in module.__all__
}
"""
The function of each rule in ``grammar.lark``, and of each alias of an alternative.

It takes the span of the rule, then every node and token in it, keywords and punctuation too, in the order of the text.
"""


class Builder:
    """Lark's transformer: calls the function of a rule."""

    def __getattr__(self, rule: str) -> Callable[[list[Any]], Any]:
        function = RULES.get(rule)
        if function is None:
            raise AttributeError(rule)

        def build(children: list[Any]) -> Any:
            first, last = children[0], children[-1]
            if first is None or last is None:
                present = [child for child in children if child is not None]
                first, last = present[0], present[-1]
            start = first.start_pos if isinstance(first, str) else first.span[0]  # type: ignore[attr-defined]
            end = last.end_pos if isinstance(last, str) else last.span[1]  # type: ignore[attr-defined]
            return function(Span(start, end), *children)

        return build
