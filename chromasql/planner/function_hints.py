"""Functions that ChromaSQL does not have: what to write instead."""

from __future__ import annotations

__all__ = ["function_advice"]

_ADVICE = {
    "for the mean write AVG(field)": ("AVERAGE", "MEAN"),
    "for lists write tags CONTAINS 'x' or 'x' = ANY(tags), and for text document CONTAINS 'x'": (
        "ARRAY_CONTAINS",
        "CONTAINS",
        "HAS",
        "LIST_CONTAINS",
    ),
    "write title REGEX 'pattern'": ("REGEXP", "REGEXP_LIKE", "REGEXP_MATCHES"),
    "write date + INTERVAL '1 day'": ("DATEADD", "DATE_ADD", "DATE_SUB"),
    "write DATE_DIFF('day', a, b)": ("DATEDIFF",),
    "write NOW()": ("GETDATE", "SYSDATE", "TODAY"),
    "cut the text that ISO dates are: LEFT(date, 7), or DATE_TRUNC('month', date)": (
        "DATE_FORMAT",
        "STRFTIME",
        "TO_CHAR",
    ),
    "write DATE(x) or CAST(x AS DATE)": ("TO_DATE",),
    "for the best n of each group write GROUP BY source KEEP n": ("DENSE_RANK", "NTILE", "RANK", "ROW_NUMBER"),
    "select distance; in a collection of the space cosine the similarity is 1 - distance": (
        "COSINE_SIMILARITY",
        "SIMILAR",
        "SIMILARITY",
    ),
    "write LIMIT n at the end": ("TOP",),
    "for DISTINCT ON write GROUP BY source KEEP 1": ("ON",),
    "run a statement with its own GROUP BY for each level with execute_many": ("CUBE", "GROUPING", "ROLLUP"),
    "write IN (..), or join tests with OR": ("ANY", "SOME"),
    "to test a list write tags CONTAINS 'x'": ("EXPLODE",),
    "for others select the field and use Python": ("FIRST_VALUE", "LAG", "LAST_VALUE", "LEAD", "MODE"),
    "write STRING_AGG(x, ', ')": ("GROUP_CONCAT", "LISTAGG"),
    "write QUANTILE(x, 0.9) or QUANTILE_CONT(x, 0.9)": ("PERCENTILE_CONT", "PERCENTILE_DISC"),
}


_BY_NAME = {name: advice for advice, names in _ADVICE.items() for name in names}


def function_advice(name: str) -> str:
    """Return what to write in place of a function, or an empty string."""
    return _BY_NAME.get(name, "")
