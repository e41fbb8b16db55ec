"""The builder: a function for each rule of the grammar."""

import re

from chromasql.grammar import grammar_text
from chromasql.parser import build_calls, build_clauses, build_expressions, build_ranks, build_statements, build_values
from chromasql.parser.builder import RULES, Builder

MODULES = (build_calls, build_clauses, build_expressions, build_ranks, build_statements, build_values)


def rules_of_the_grammar() -> set[str]:
    """Return the names under which Lark looks for a function: rules, and aliases of alternatives."""
    text = re.sub(r"//.*", "", grammar_text())
    aliases = set(re.findall(r"->\s*(\w+)", text))
    return aliases | set(re.findall(r"^\??([a-z_]\w*):", text, re.MULTILINE))


def test_every_function_is_a_rule():
    """No function of the builder is left over from a rule that is gone or was renamed."""
    assert set() == RULES.keys() - rules_of_the_grammar()


def test_every_rule_that_makes_a_node_has_a_function():
    """Rules without a function are those that Lark inlines, marked by ``?``, and those whose alternatives have aliases."""
    text = re.sub(r"//.*", "", grammar_text())
    inlined = set(re.findall(r"^\?(\w+):", text, re.MULTILINE))

    assert rules_of_the_grammar() - RULES.keys() - inlined == {"embedding", "knn", "text_op", "using"}


def test_a_rule_has_one_function():
    """No two modules build the same rule."""
    assert len(RULES) == sum(len(module.__all__) for module in MODULES)


def test_what_is_not_a_rule_is_an_attribute_error():
    """Lark asks for each rule by name and builds its own tree where there is none."""
    assert not hasattr(Builder(), "no_such_rule")
