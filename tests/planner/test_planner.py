"""What the planner refuses, with the place in the statement, and what it warns of."""

from __future__ import annotations

from typing import Any

import pytest

from chromasql import (
    ChromaSQLPlanningError,
    Settings,
    build_plan,
    connect_async,
    explain_plan,
    parse,
    plan_to_dict,
)
from chromasql.adapters import MemoryProvider
from chromasql.plan import ChromaRequest
from chromasql.planner import bind_collections, plan_statement

U = "USING EMBEDDING (VECTOR [1.0, 2.0])"
RANKING = "add RANK BY KNN(..) or USING EMBEDDING (..)"

# The marks « » stand around what the caret is drawn under.
ERRORS: list[tuple[str, str]] = [
    # WHERE
    (
        "WHERE «distance» < 1",
        (
            "WHERE cannot test distance: keep the near rows by WITH SCORE THRESHOLD x, or write "
            "metadata.distance for a key of that name"
        ),
    ),
    (
        "WHERE «score» < 1",
        (
            "WHERE cannot test score: keep the near rows by WITH SCORE THRESHOLD x, or write "
            "metadata.score for a key of that name"
        ),
    ),
    ("WHERE «embedding» IS NULL", "WHERE cannot test embedding as a whole; name a key: metadata.key"),
    ("WHERE «metadata» = 1", "WHERE cannot test metadata as a whole; name a key: metadata.key"),
    ("WHERE «COUNT(*)» > 1", "WHERE cannot test COUNT(*); HAVING can"),
    ("WHERE «id.x» = 1", "id has no parts; for a metadata key write metadata['id.x']"),
    ("WHERE «id» CONTAINS 'a'", "CONTAINS works on lists and documents; for id use LIKE '%text%'"),
    ("WHERE a = 1 AND NOT «uri» CONTAINS 'a'", "CONTAINS works on lists and documents; for uri use LIKE '%text%'"),
    ("WHERE document CONTAINS «5»", "document CONTAINS takes a string"),
    ("WHERE_DOCUMENT CONTAINS ANY ('a', «5»)", "document CONTAINS takes a string"),
    ("WHERE title REGEX «'('»", "REGEX cannot use this pattern: missing ): ("),
    (
        "WHERE title NOT REGEX «'(?=a)'»",
        "REGEX cannot use this pattern: (?= is a look-ahead, which Chroma's linear-time engine does not have",
    ),
    # SELECT
    ("SELECT «distance» FROM docs", f"distance needs a ranking; {RANKING}, or write metadata.distance for a key"),
    ("SELECT id, «score» AS s FROM docs", f"score needs a ranking; {RANKING}, or write metadata.score for a key"),
    ("SELECT «id.x» FROM docs", "id has no parts; for a metadata key write metadata['id.x']"),
    ("SELECT id, «id» FROM docs", "duplicate column id; rename one with AS"),
    ("SELECT a AS x, «b AS x» FROM docs", "duplicate column x; rename one with AS"),
    ("SELECT * EXCEPT («embedding») FROM docs", "* does not hold embedding"),
    # Clauses that need a ranking
    ("TOPK «5»", f"TOPK needs a ranking; {RANKING}"),
    ("WITH SCORE THRESHOLD «0.5»", f"WITH SCORE THRESHOLD needs a ranking; {RANKING}"),
    ("«RERANK BY MMR»", f"RERANK BY needs a ranking; {RANKING}"),
    ("WITH («merge = RRF»)", f"merge needs a ranking; {RANKING}"),
    ("WITH («per_collection = 3»)", f"per_collection needs a ranking; {RANKING}"),
    ("ORDER BY «distance»", f"distance needs a ranking; {RANKING}, or write metadata.distance for a key"),
    # Counts
    ("LIMIT «-1»", "LIMIT takes a whole number of at least 0"),
    ("OFFSET «-1»", "OFFSET takes a whole number of at least 0"),
    (f"{U} TOPK «0»", "TOPK takes a whole number of at least 1"),
    ("SHOW COLLECTIONS LIMIT «-1»", "LIMIT takes a whole number of at least 0"),
    # Options
    (
        "WITH («colour = 1»)",
        (
            "there is no option colour; the options are exact, merge, on_error, per_collection, read_level, timeout, total"
        ),
    ),
    ("WITH («timout = 1»)", "there is no option timout; did you mean timeout?"),
    ("WITH (timeout = «0»)", "timeout takes a number of seconds above 0, not 0"),
    ("WITH (timeout = «TRUE»)", "timeout takes a number of seconds above 0, not True"),
    ("WITH (timeout = «[1]»)", "timeout takes a number of seconds above 0"),
    ("WITH (on_error = «MAYBE»)", "on_error takes SKIP or FAIL, not 'MAYBE'"),
    (f"{U} WITH (merge = «'sum'»)", "merge takes SCORE (also called distance) or RRF, not 'sum'"),
    (f"{U} WITH (per_collection = «0»)", "per_collection takes a whole number from 1 to 1000000, not 0"),
    ("WITH (read_level = «SOME»)", "read_level takes INDEX_AND_WAL, INDEX_ONLY or INDEX_AND_BOUNDED_WAL, not 'SOME'"),
    # ORDER BY
    ("ORDER BY «metadata»", "ORDER BY cannot compare metadata; name a key"),
    ("ORDER BY year, «embedding» DESC", "ORDER BY cannot compare embedding; name a key"),
    ("ORDER BY «id.x»", "id has no parts; for a metadata key write metadata['id.x']"),
    # Vectors and ranks
    (
        "USING EMBEDDING («VECTOR {1: 0.5}»)",
        "USING EMBEDDING takes a dense vector; rank by RANK BY KNN({..}, key = name)",
    ),
    ("USING EMBEDDING (VECTOR [«1e39»])", "a vector takes numbers of at most 3.4e+38"),
    ("RANK BY «1 + year»", "RANK BY needs a KNN or a BM25 to find its candidates; ORDER BY sorts by metadata"),
    ("RANK BY KNN('a') + «id»", "RANK BY reads only metadata keys; for a key named id write metadata.id"),
    (
        "RANK BY RRF(KNN('a', return_rank = «FALSE»), KNN('b'))",
        ("return_rank = FALSE is not allowed inside RRF, which fuses ranks"),
    ),
    (
        "RANK BY «KNN([1.0], key = words)»",
        ("a dense vector is compared with embedding alone; for words give a sparse vector, {1: 0.5}"),
    ),
    ("RANK BY «KNN({1: 0.5})»", "a sparse vector needs the key of a sparse index: key = name"),
    ("RANK BY KNN(«{1: 0.5, 1: 0.7}», key = words)", "the sparse vector has the same index twice"),
    ("RANK BY «RRF(KNN('a'), KNN('b'), weights = [0, 0], normalize = TRUE)»", "RRF needs a weight above 0"),
    ("RANK BY «RRF(KNN('a'), KNN('b'), weights = [0, 0.0])»", "RRF needs a weight above 0"),
    (
        "RANK BY «RRF(KNN('a'), KNN('b'), default = 5, require_all = TRUE)»",
        ("require_all and default exclude each other"),
    ),
    # RERANK BY
    (f"{U} «RERANK BY NOTHING»", "rerank strategy NOTHING does not exist; the strategies are MMR"),
    (f"{U} «RERANK BY MMR(lambda = 5)»", "lambda takes a number from 0 (diverse) to 1 (relevant), not 5"),
    (f"{U} RERANK BY MMR(«speed = 5»)", "MMR has no argument speed; it takes candidates, lambda"),
    (f"{U} «RERANK BY MMR(candidates = 0)»", "candidates takes a whole number of at least 1"),
    # Groups
    ("SELECT «*» FROM docs GROUP BY year", "* cannot be grouped; name the columns"),
    (
        "SELECT «id», COUNT(*) FROM docs GROUP BY year",
        ("id is not the same in all records of a group; add it to GROUP BY, or aggregate it: MIN(id)"),
    ),
    ("SELECT «SUM(embedding)» FROM docs", "SUM cannot read embedding as a whole"),
    ("SELECT COUNT(*) FROM docs GROUP BY «embedding»", "GROUP BY cannot compare embedding; name a key"),
    (f"SELECT COUNT(*) FROM docs {U} GROUP BY «distance»", "GROUP BY distance would make a group of every record"),
    (
        "SELECT year, COUNT(*) FROM docs GROUP BY year «KEEP 2»",
        ("KEEP cannot be combined with aggregates, HAVING or DISTINCT"),
    ),
    (f"SELECT COUNT(*) FROM docs {U} «RERANK BY MMR»", "RERANK BY orders records, and this statement returns groups"),
]


def whole(clause: str) -> str:
    """Return a statement from its clauses alone."""
    return clause if clause.startswith(("SELECT", "SHOW")) else f"SELECT id FROM docs {clause}"


@pytest.mark.parametrize(("marked", "message"), ERRORS, ids=[marked for marked, _ in ERRORS])
def test_errors(marked: str, message: str) -> None:
    """Each planning error says what to do, and its span is the part of the statement that is wrong."""
    before, _, rest = whole(marked).partition("«")
    wrong, _, after = rest.partition("»")
    sql = f"{before}{wrong}{after}"
    with pytest.raises(ChromaSQLPlanningError) as caught:
        plan_statement(parse(sql))

    assert caught.value.message == message
    assert caught.value.source == sql
    assert caught.value.span == (len(before), len(before) + len(wrong))
    assert str(caught.value).endswith("^" * len(wrong))


@pytest.mark.parametrize(
    ("sql", "params", "message"),
    [
        ("WHERE title LIKE «:p»", {"p": 5}, ":p takes a string, not 5"),
        ("LIMIT «:n»", {"n": 1.5}, ":n takes a whole number, not 1.5"),
        ("SHOW COLLECTIONS LIKE «:p»", {"p": 5}, ":p takes a string, not 5"),
        (f"{U} WITH SCORE THRESHOLD «:t»", {"t": "a"}, ":t takes a number, not a string"),
        ("USING EMBEDDING (TEXT «:t»)", {"t": 5}, ":t takes a string, not 5"),
        ("USING EMBEDDING (TEXT 'a' MODEL «:m»)", {"m": 5}, ":m takes a string, not 5"),
        ("WHERE year = «:y»", {}, "no value for the parameter :y; no parameters are given"),
        ("WHERE year = «:year»", {"yaer": 5}, "no value for the parameter :year; did you mean yaer?"),
    ],
)
def test_errors_of_parameters(sql: str, params: dict[str, Any], message: str) -> None:
    """A parameter whose value does not fit its place is refused there."""
    before, _, rest = whole(sql).partition("«")
    wrong, _, after = rest.partition("»")
    with pytest.raises(ChromaSQLPlanningError) as caught:
        plan_statement(parse(f"{before}{wrong}{after}"), params)
    assert caught.value.message == message
    assert caught.value.span == (len(before), len(before) + len(wrong))


WARNINGS: list[tuple[str, str, str]] = [
    ("WHERE year = NULL", "null-comparison", "year = NULL is never true; write year IS NULL"),
    ("WHERE year != NULL", "null-comparison", "year != NULL is never true; write year IS NOT NULL"),
    ("WHERE year < NULL", "null-comparison", "year < NULL is never true"),
    ("WHERE year IN (NULL)", "null-comparison", "year IN NULL is never true"),
    ("WHERE year NOT IN (1, NULL)", "null-comparison", "year NOT IN (.., NULL) is never true; leave the NULL out"),
    ("WHERE tags CONTAINS NULL", "null-comparison", "tags CONTAINS NULL is never true"),
    ("WHERE id = 5", "never-true", "id is text, so id = 5 is never true"),
    ("WHERE document < TRUE", "never-true", "document is text, so document < TRUE is never true"),
    (
        r"WHERE title REGEX '\b'",
        "backspace-in-regex",
        (
            "the REGEX holds a backspace character; for a word boundary "
            r"write r'\b', a raw string"
        ),
    ),
    (f"{U} ORDER BY score DESC", "worst-first", "lower is better, so ORDER BY score DESC puts the worst row first"),
    (
        f"{U} ORDER BY distance DESC",
        "worst-first",
        "lower is better, so ORDER BY distance DESC puts the worst row first",
    ),
]


@pytest.mark.parametrize(("clause", "code", "message"), WARNINGS)
async def test_warnings(clause: str, code: str, message: str) -> None:
    """What is legal but hardly meant runs, with a warning on the plan, on the result and in EXPLAIN."""
    sql = whole(clause)
    plan = build_plan(parse(sql))
    assert [(warning.code, str(warning)) for warning in plan.warnings] == [(code, message)]
    assert message in explain_plan(plan)

    provider = MemoryProvider({"docs": [{"id": "1", "embedding": [1.0, 2.0], "document": "x"}]})
    result = await connect_async(provider).execute(sql)
    assert result.warnings == plan.warnings


def test_the_same_warning_once() -> None:
    """A warning that a statement earns twice is given once."""
    plan = build_plan(parse("SELECT id FROM docs WHERE year = NULL OR NOT year = NULL OR year = NULL"))
    assert [warning.code for warning in plan.warnings].count("null-comparison") == len(plan.warnings)
    assert len({warning.message for warning in plan.warnings}) == len(plan.warnings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("merge", "sum"),
        ("merge", 5),
        ("on_error", "maybe"),
        ("timeout", 0),
        ("timeout", float("inf")),
        ("timeout", True),
        ("per_collection", 0),
        ("per_collection", 1.5),
        ("read_level", "some"),
    ],
)
def test_bad_settings(name: str, value: Any) -> None:
    """A setting that is none is refused where it is made, with what it takes."""
    with pytest.raises(ChromaSQLPlanningError, match=f"{name} takes .*, not "):
        Settings(**{name: value})


def test_fixed_settings_exist() -> None:
    """A name in fixed that is no option is refused, so that a typing error fixes nothing in silence."""
    with pytest.raises(ChromaSQLPlanningError, match="there is no option timout; did you mean timeout"):
        Settings(fixed=frozenset({"timout"}))


def test_settings_are_defaults() -> None:
    """A plan has the settings of the caller where the statement says nothing, and otherwise its own."""
    settings = Settings(merge="RRF", on_error="FAIL", timeout=5, per_collection=7)
    plan = build_plan(parse(f"SELECT id FROM docs {U}"), settings=settings)
    assert (plan.merge, plan.on_error, plan.timeout, plan.per_collection) == ("rrf", "fail", 5.0, 7)

    options = "WITH (merge = SCORE, on_error = SKIP, timeout = 2, per_collection = 3)"
    plan = build_plan(parse(f"SELECT id FROM docs {U} {options}"), settings=settings)
    assert (plan.merge, plan.on_error, plan.timeout, plan.per_collection) == ("distance", "skip", 2.0, 3)


def test_plans_are_of_selects() -> None:
    """build_plan plans a SELECT and says what to do with the others."""
    for sql in ("SHOW COLLECTIONS", "DESCRIBE docs"):
        with pytest.raises(
            ChromaSQLPlanningError, match="build_plan takes a SELECT; execute SHOW and DESCRIBE on a data"
        ):
            build_plan(parse(sql))


def test_plans_compare() -> None:
    """The same statement gives the same plan, whatever its spaces, and the plan is plain data."""
    first = build_plan(parse(f"SELECT id FROM docs {U} WHERE year > 2020 LIMIT 5"))
    second = build_plan(parse(f"SELECT  id FROM docs {U}\n WHERE year > :y LIMIT 5"), {"y": 2020})
    assert plan_to_dict(first) | {"statement": ""} == plan_to_dict(second) | {"statement": ""}


def test_plans_are_bound() -> None:
    """bind_collections sets a plan on its collections and leaves out those that _collection excludes."""
    plan = build_plan(parse("SELECT id FROM x WHERE _collection IN ('a', 'b') AND _collection != 'b'"))
    assert plan.collections is None
    bound = bind_collections(plan, ["a", "b", "c"], "FROM")
    assert (bound.collections, bound.route) == (("a",), "FROM")
    assert plan.collections is None


@pytest.mark.parametrize(
    ("where", "candidates"),
    [
        ("kind != 'x'", "expanding"),
        ("kind NOT IN ('x', 'y')", "expanding"),
        ("tags NOT CONTAINS 'x'", "expanding"),
        ("NOT (kind = 'x' AND year = 5)", "expanding"),
        ("kind != 'x' OR year = 5", "expanding"),
        ("kind != 'x' AND year LIKE '%5'", "expanding"),
        ("document < 'b'", "expanding"),
        ("kind != 'x' AND year = 5 AND title LIKE '%a'", "prefilter"),
        ("(year = 5 OR year > 8) AND title LIKE '%a'", "prefilter"),
        ("document CONTAINS 'x' AND title LIKE '%a'", "prefilter"),
        ("id = 'a' AND kind != 'x'", "prefilter"),
        ("year = 5", "filtered"),
    ],
)
def test_what_is_selective(where: str, candidates: str) -> None:
    """With a re-check, candidates are looked up first only where Chroma is sent a test that few records may pass."""
    assert build_plan(parse(f"SELECT id FROM docs WHERE {where} {U}")).candidates == candidates


@pytest.mark.parametrize(
    ("where", "requests"),
    [
        ("id IN ('a', 'b') AND year = 5", [ChromaRequest(ids=("a", "b"))]),
        ("year = 5 AND document CONTAINS 'x' AND id IN ('a', 'b') AND id = 'b'", [ChromaRequest(ids=("b",))]),
        ("(id = 'a' AND year = 5) OR year = 6", [ChromaRequest(ids=("a",)), ChromaRequest(where={"year": {"$eq": 6}})]),
        (
            "(id = 'a' OR year = 6) AND kind = 'x'",
            [ChromaRequest(ids=("a",)), ChromaRequest(where={"$and": [{"year": {"$eq": 6}}, {"kind": {"$eq": "x"}}]})],
        ),
    ],
)
def test_ids_go_alone(where: str, requests: list[ChromaRequest]) -> None:
    """No request has ids and a filter, which Chroma would evaluate anew for each id; what is not sent is re-checked."""
    filter_ = build_plan(parse(f"SELECT id FROM docs WHERE {where}")).filter
    assert sorted(filter_.requests, key=str) == sorted(requests, key=str)
    assert filter_.residual is not None
