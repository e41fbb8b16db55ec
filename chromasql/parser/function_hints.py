"""Functions that ChromaSQL does not have: what to write instead."""

from __future__ import annotations

from chromasql import ast
from chromasql.errors import near_names

__all__ = ["NEAR", "unknown_function_message"]

NEAR = 0.75
"""
The least likeness of a word to the keyword or function that it may be misspelt for.

``LIMTI`` is LIMIT (0.8) and ``FORM`` is FROM (0.75), but ``MEDIAN`` is not MIN (0.67) and ``WHEN`` is not WHERE (0.67).
"""


_AGGREGATES = f"the aggregates are {', '.join(ast.AGGREGATES)}"


_ADVICE = {
    "for the mean write AVG(field)": ("AVERAGE", "MEAN"),
    "for lists write tags CONTAINS 'x', and for text document CONTAINS 'x'": (
        "ARRAY_CONTAINS",
        "CONTAINS",
        "HAS",
        "LIST_CONTAINS",
    ),
    "to compare without case write title ILIKE 'x'": ("LCASE", "LOWER", "UCASE", "UPPER"),
    "write title LIKE 'x%'": ("STARTSWITH", "STARTS_WITH"),
    "write title LIKE '%x'": ("ENDSWITH", "ENDS_WITH"),
    "write title LIKE '%x%'": ("CHARINDEX", "INSTR", "POSITION", "STRPOS"),
    "write title REGEX 'pattern'": ("REGEXP", "REGEXP_LIKE", "REGEXP_MATCHES"),
    "join the texts in Python and pass the result as a parameter": ("CONCAT", "CONCAT_WS"),
    "pass the date as text: '2024-01-01', or a parameter such as :since": (
        "CURRENT_DATE",
        "CURRENT_TIMESTAMP",
        "GETDATE",
        "NOW",
        "TODAY",
    ),
    (
        "dates are stored as text or numbers: test a range, as in date >= '2024-01-01' AND date < '2024-02-01', "
        "and to group by month store the month as a key of its own"
    ): (
        "DATE",
        "DATEADD",
        "DATEDIFF",
        "DATE_ADD",
        "DATE_FORMAT",
        "DATE_PART",
        "DATE_SUB",
        "DATE_TRUNC",
        "DAY",
        "EXTRACT",
        "MONTH",
        "QUARTER",
        "STRFTIME",
        "TO_CHAR",
        "TO_DATE",
        "WEEK",
        "YEAR",
    ),
    "for the best n of each group write GROUP BY source KEEP n": ("DENSE_RANK", "NTILE", "RANK", "ROW_NUMBER"),
    "it belongs in RANK BY; elsewhere test the field, as in price IS NULL": ("COALESCE", "IFNULL", "NULLIF", "NVL"),
    "it belongs in RANK BY; elsewhere select the field and compute it in Python": (
        "ABS",
        "EXP",
        "GREATEST",
        "LEAST",
        "LN",
        "LOG",
    ),
    "it belongs in RANK BY; SELECT score shows what it gives": ("BM25", "KNN", "RRF"),
    "select distance; in a collection of the space cosine the similarity is 1 - distance": (
        "COSINE_SIMILARITY",
        "SIMILAR",
        "SIMILARITY",
    ),
    "values keep the type that they are stored with": ("CAST", "TRY_CAST"),
    "to test a list write tags CONTAINS 'x'; to count its elements select tags and count them in Python": (
        "EXPLODE",
        "UNNEST",
    ),
    f"{_AGGREGATES}; for others select the field and use Python": (
        "ARRAY_AGG",
        "FIRST_VALUE",
        "GROUP_CONCAT",
        "LAG",
        "LAST_VALUE",
        "LEAD",
        "MEDIAN",
        "MODE",
        "PERCENTILE_CONT",
        "STDDEV",
        "STRING_AGG",
        "VARIANCE",
    ),
}


_BY_NAME = {name: advice for advice, names in _ADVICE.items() for name in names}


def unknown_function_message(name: str) -> str:
    """Return the message for a function that does not exist outside RANK BY."""
    hint = _BY_NAME.get(name.upper())
    if hint is not None:
        return f"there is no function {name} here; {hint}"
    hint = f"; {_AGGREGATES}; for others select the field and compute it in Python"
    return f"there is no function {name} here{near_names(name.upper(), ast.AGGREGATES, NEAR) or hint}"
