"""Expressions that mean the same here and in SQLite: texts of SQL over the columns ``i``, ``f`` and ``t``."""

from __future__ import annotations

from hypothesis import strategies as st

INTEGERS = st.integers(-20, 20)
QUARTERS = st.integers(-40, 40).map(lambda number: number / 4)
WORDS = st.text("abAB x%", max_size=4)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def rows(draw):
    """Records with some columns missing, ids in order."""
    found = draw(
        st.lists(
            st.fixed_dictionaries({}, optional={"i": INTEGERS, "j": INTEGERS, "f": QUARTERS, "t": WORDS, "u": WORDS}),
            max_size=8,
        )
    )
    return [{"id": f"r{index}", **values} for index, values in enumerate(found)]


def _numbers(inner_numbers, inner_texts, inner_conditions):
    pairs = st.tuples(inner_numbers, inner_numbers)
    return st.one_of(
        st.builds(lambda pair, operator: f"({pair[0]} {operator} {pair[1]})", pairs, st.sampled_from("+-*")),
        inner_numbers.map(lambda one: f"(- {one})"),
        inner_numbers.map(lambda one: f"ABS({one})"),
        pairs.map(lambda pair: f"COALESCE({pair[0]}, {pair[1]})"),
        pairs.map(lambda pair: f"NULLIF({pair[0]}, {pair[1]})"),
        inner_texts.map(lambda one: f"LENGTH({one})"),
        st.builds(
            lambda condition, one, two: f"CASE WHEN {condition} THEN {one} ELSE {two} END",
            inner_conditions,
            inner_numbers,
            inner_numbers,
        ),
        st.builds(
            lambda subject, key, one: f"CASE {subject} WHEN {key} THEN {one} END",
            inner_numbers,
            inner_numbers,
            inner_numbers,
        ),
    )


def _texts(inner_numbers, inner_texts, inner_conditions):
    return st.one_of(
        st.tuples(inner_texts, inner_texts).map(lambda pair: f"({pair[0]} || {pair[1]})"),
        inner_texts.map(lambda one: f"UPPER({one})"),
        inner_texts.map(lambda one: f"TRIM({one})"),
        st.tuples(inner_texts, st.integers(1, 4), st.integers(0, 3)).map(
            lambda three: f"SUBSTR({three[0]}, {three[1]}, {three[2]})"
        ),
        inner_texts.map(lambda one: f"REPLACE({one}, 'a', 'xy')"),
        st.builds(
            lambda condition, one, two: f"CASE WHEN {condition} THEN {one} ELSE {two} END",
            inner_conditions,
            inner_texts,
            inner_texts,
        ),
    )


def _conditions(inner_numbers, inner_texts, inner_conditions):
    operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
    compared = st.one_of(
        st.builds(lambda one, operator, two: f"({one} {operator} {two})", inner_numbers, operators, inner_numbers),
        st.builds(lambda one, operator, two: f"({one} {operator} {two})", inner_texts, operators, inner_texts),
        st.builds(
            lambda one, low, high, no: f"({one} {no}BETWEEN {low} AND {high})",
            inner_numbers,
            inner_numbers,
            inner_numbers,
            st.sampled_from(["", "NOT "]),
        ),
        st.builds(
            lambda one, items, no: f"({one} {no}IN ({', '.join(items)}))",
            inner_numbers,
            st.lists(inner_numbers, min_size=1, max_size=3),
            st.sampled_from(["", "NOT "]),
        ),
        st.builds(lambda one, no: f"({one} IS {no}NULL)", inner_numbers, st.sampled_from(["", "NOT "])),
        st.builds(lambda one, two: f"({one} IS NOT DISTINCT FROM {two})", inner_numbers, inner_numbers),
    )
    return st.one_of(
        compared,
        inner_conditions.map(lambda one: f"(NOT {one})"),
        st.builds(
            lambda one, operator, two: f"({one} {operator} {two})",
            inner_conditions,
            st.sampled_from(["AND", "OR"]),
            inner_conditions,
        ),
    )


def _tower(height: int):
    numbers = st.one_of(
        st.sampled_from(["i", "j", "f", "NULL"]), INTEGERS.map(str), QUARTERS.map(lambda number: f"{number}")
    )
    texts = st.one_of(st.sampled_from(["t", "u"]), WORDS.map(quoted))
    conditions = st.sampled_from(["(i > j)", "(t = u)", "(f IS NULL)", "(1 = 1)"])
    for _ in range(height):
        larger = [make(numbers, texts, conditions) for make in (_numbers, _texts, _conditions)]
        numbers, texts, conditions = numbers | larger[0], texts | larger[1], conditions | larger[2]
    return numbers, texts, conditions


NUMBERS, TEXTS, CONDITIONS = _tower(3)
