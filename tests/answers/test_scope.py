"""A scope holds whatever a statement says: what lies outside is neither returned nor counted nor hinted at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import chromadb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chromasql
from chromasql import MemoryProvider, PatternRouter, Scope, ServersProvider
from chromasql.plan import Column
from tests.support.doubles import Spy, raises

FIELDS = ("id", "document", "year", "tags", "note")
SCOPE = Scope(collections=["docs-*"], fields=FIELDS, where="tenant = :t AND NOT (secret = TRUE)", params={"t": "x"})
# Of the records that this one shows, all fields are open.
OPEN = Scope(collections=["open-*"], where="tenant = 'x' AND NOT (secret = TRUE)")
CAP = Scope(max_limit=7, max_candidates=20, within=SCOPE)


def fill(store: Any, name: str, *, hidden: bool) -> None:
    """Make a collection of records inside the scope, and among them some outside, with fields that are closed."""
    collection = store.create_collection(name)
    inside = [at for at in range(30) if at % 3 == 0]
    for at in range(30) if hidden else inside:
        seen = at in inside
        metadata: dict[str, Any] = {"tenant": "x", "secret": False, "year": 2000 + at % 7, "tags": ["a", f"t{at % 2}"]}
        if at % 2:
            metadata["note"] = f"note {at}"
        if hidden and not name.startswith("open"):
            metadata["salary"] = at * 1000
        if not seen:
            metadata |= {"tenant": "y" if at % 2 else "x", "secret": at % 2 == 0, "year": 1900 + at, "klaxon": at}
            if at % 5 == 0:
                del metadata["secret"]
        words = "rust async" if at % 2 else "plain rust words"
        collection.add(
            ids=[f"{name}/{at}" if seen else f"hidden-{name}/{at}"],
            embeddings=[[float(at), 1.0]],
            documents=[words if seen else f"{words} classified"],
            metadatas=[metadata],
        )


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Chroma that holds far more than the scope lets anyone see."""
    store = chromadb.PersistentClient(tmp_path_factory.mktemp("full"))
    for name in ("docs-a", "docs-b", "docs-c", "hr-pay", "docs", "open-a", "open-b", "open-c"):
        fill(store, name, hidden=True)
    yield store
    store.close()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Chroma that holds what the scope lets be seen and nothing else."""
    store = chromadb.PersistentClient(tmp_path_factory.mktemp("bare"))
    for name in ("docs-a", "docs-b", "docs-c", "open-a", "open-b", "open-c"):
        fill(store, name, hidden=False)
    yield store
    store.close()


CLOSED = ("tenant", "secret", "salary", "klaxon", "klaxn")


def mostly(usual: Sequence[str], rare: Sequence[str]) -> st.SearchStrategy[str]:
    """Choose what is refused now and then only, so that most statements have an answer."""
    return st.integers(0, 11).flatmap(lambda at: st.sampled_from(rare if at == 0 else usual))


fields = mostly(FIELDS, [*CLOSED, "metadata", "embedding", "uri", "score"])
tested = mostly(FIELDS, CLOSED)
INSIDE = ["docs-a", "docs-b", '"docs-c"', "docs-*", "*"]
names = mostly(INSIDE, ["hr-pay", "docs", "h*", "*-pay", "nowhere", '"docs-*"', "`hr-pay`", "docs-ab"])
strings = st.sampled_from(["'x'", "'y'", "'it''s'", "'\u202edocs'", "'; --'", "'%'", "'t1'", "''", "'rust'", "'%a%'"])
values = st.one_of(strings, st.sampled_from(["1", "2003", "1903", "TRUE", "NULL", "-1.5"]))
tests = st.one_of(
    st.builds("{} {} {}".format, tested, st.sampled_from(["=", "!=", "<", ">=", "IS DISTINCT FROM"]), values),
    st.builds("{} {} NULL".format, tested, st.sampled_from(["IS", "IS NOT"])),
    st.builds("{} {} ({}, {})".format, tested, st.sampled_from(["IN", "NOT IN"]), values, values),
    st.builds("{} {} {}".format, tested, st.sampled_from(["LIKE", "NOT LIKE", "REGEX", "CONTAINS"]), strings),
    st.sampled_from(
        [
            "document CONTAINS 'classified'",
            "document NOT CONTAINS 'nothing'",
            "_collection = 'hr-pay'",
            "_collection != 'docs-a'",
            "id LIKE '%hidden%'",
            "id IN ('hidden-docs-a/1', 'docs-a/0', 'docs-a/3')",
            "id IS NOT NULL OR id IS NULL",
            "metadata['tenant'] = 'y'",
        ]
    ),
)
predicates = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds("({} OR {})".format, inner, inner),
        st.builds("{} AND {}".format, inner, inner),
        st.builds("NOT ({})".format, inner),
        st.builds("{} OR {}".format, inner, inner),
        st.builds("{} -- ) OR tenant = 'y'\n".format, inner),
        st.builds("/* ' */ {}".format, inner),
    ),
    max_leaves=4,
)
columns = st.one_of(
    st.sampled_from(["*", "* EXCEPT (document)", "id, document", "id, metadata", "_collection, id, year"]),
    st.lists(fields, min_size=1, max_size=3, unique=True).map(", ".join),
    st.builds("{} AS {}".format, fields, fields),
)
counts = st.one_of(
    st.sampled_from(["COUNT(*)", "COUNT(*) AS n, MAX(year)", "COUNT(DISTINCT note), MIN(id)"]),
    st.builds("COUNT({})".format, fields),
)
ranks = mostly(
    [
        " USING EMBEDDING (VECTOR [2, 1])",
        " RANK BY KNN([8, 1])",
        " RANK BY KNN([8, 1], limit = 5) + 0.1 * year",
        " RANK BY BM25('classified rust')",
        " RANK BY BM25('async')",
        " RANK BY RRF(KNN([1, 1]), BM25('rust words'))",
    ],
    [" RANK BY KNN([8, 1]) * salary", " RANK BY KNN({1: 0.5}, key = salary)"],
)
orders = st.builds(" ORDER BY {} {}".format, fields, st.sampled_from(["ASC", "DESC", "DESC NULLS LAST"]))
pages = mostly(["", " LIMIT 3", " LIMIT 2 OFFSET 5", " OFFSET 2"], [" LIMIT 1000", " LIMIT 0"])


@st.composite
def selects(draw: st.DrawFn) -> str:
    """Statements that grasp for everything."""
    # Of two names that are not there, whichever is looked for first is told of, so there is one at most.
    sources = ", ".join(dict.fromkeys([*draw(st.lists(st.sampled_from(INSIDE), max_size=1)), draw(names)]))
    if draw(st.integers(0, 9)) == 0:
        sources += f" EXCEPT ({draw(names)})"
    where = f" WHERE {draw(predicates)}" if draw(st.booleans()) else ""
    explain = draw(st.sampled_from(["", "", "", "EXPLAIN ", "EXPLAIN ANALYZE "]))
    if draw(st.integers(0, 2)) == 0:
        key = draw(fields)
        group = draw(st.sampled_from(["", f" GROUP BY {key}", f" GROUP BY {key} HAVING COUNT(*) > 1"]))
        shown = f"{key}, {draw(counts)}" if group else draw(counts)
        return f"{explain}SELECT {shown} FROM {sources}{where}{group}{draw(pages)}"
    rank = draw(st.one_of(st.just(""), ranks))
    keep = draw(mostly(["", "", "", " GROUP BY year KEEP 1"], [" GROUP BY year KEEP 2 BY salary"]))
    order = draw(st.one_of(st.just(""), orders))
    return f"{explain}SELECT {draw(columns)} FROM {sources}{rank}{where}{keep}{order}{draw(pages)}"


statements = st.one_of(
    selects(),
    st.builds("SHOW COLLECTIONS{}{}".format, st.sampled_from(["", " LIKE '%'", " LIKE 'h%'"]), pages),
    st.builds("DESCRIBE {}".format, names),
)


def told(database: chromasql.Database, statement: str) -> Any:
    """Return all that whoever wrote the statement gets to see, times aside."""
    try:
        result = database.execute(statement)
    except chromasql.ChromaSQLError as error:
        return type(error), str(error)
    rows = [
        {name: re.sub(r"[\d.]+ ms", "some ms", value) if name == "plan" else value for name, value in row.items()}
        for row in result
    ]
    return rows, result.columns, result.warnings, result.complete


@pytest.mark.parametrize("scope", [SCOPE, CAP, OPEN], ids=["scope", "cap", "open"])
@settings(suppress_health_check=list(HealthCheck), max_examples=settings.default.max_examples * 2)
@given(statement=statements)
def test_nothing_outside_a_scope_has_an_effect(full: Any, bare: Any, scope: Scope, statement: str) -> None:
    """Rows, counts, plans, warnings and errors are those of a Chroma in which there is nothing outside the scope."""
    if scope is OPEN:
        statement = statement.replace("docs", "open")

    assert told(chromasql.connect(full, scope=scope), statement) == told(
        chromasql.connect(bare, scope=scope), statement
    )


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM docs-a, docs-b ORDER BY id",
        "SELECT id, year, note FROM docs-* WHERE year > 2002 OR note IS NULL ORDER BY year, id",
        "SELECT id, distance FROM docs-a, docs-b USING EMBEDDING (VECTOR [8, 1]) LIMIT 9",
        "SELECT id, score FROM docs-* RANK BY RRF(KNN([8, 1]), BM25('async')) LIMIT 9",
        "SELECT COUNT(*) AS n, MAX(year) FROM docs-*",
        "SELECT year, COUNT(*) FROM docs-* GROUP BY year ORDER BY year",
    ],
    ids=range(6),
)
def test_what_is_inside_a_scope_is_all_there(full: Any, bare: Any, statement: str) -> None:
    """Within a scope a statement gives what it gives without one where nothing lies outside."""
    rows = chromasql.connect(bare).execute(statement).rows
    for row in rows:
        if "metadata" in row:
            row["metadata"] = {key: value for key, value in row["metadata"].items() if key in FIELDS}

    assert rows
    assert chromasql.connect(full, scope=SCOPE).execute(statement).rows == rows


def refused(database: chromasql.Database, statement: str, **options: Any) -> str:
    with pytest.raises(chromasql.ChromaSQLPlanningError) as caught:
        database.execute(statement, **options)
    return caught.value.message


@pytest.mark.parametrize(
    ("limits", "statement", "message"),
    [
        ({"max_limit": 5}, "SELECT id FROM docs-a LIMIT 6", "LIMIT is at most 5 here"),
        ({"max_candidates": 9}, "SELECT id FROM docs-a RANK BY KNN([1, 1], limit = 10)", "10 candidates are more"),
        ({"max_candidates": 9}, "SELECT id FROM docs-a RANK BY KNN([1, 1]) LIMIT 10", "10 candidates are more"),
        ({"max_candidates": 9}, "SELECT id FROM docs-a RANK BY KNN([1, 1]) LIMIT 4 OFFSET 6", "10 candidates are more"),
        (
            {"max_candidates": 9},
            "SELECT id FROM docs-a USING EMBEDDING (VECTOR [1, 1]) TOPK 10",
            "10 candidates are more",
        ),
        (
            {"max_candidates": 9},
            "SELECT id FROM docs-a RANK BY KNN([1, 1]) LIMIT 2 WITH (per_collection = 10)",
            "per_collection is at most 9 here",
        ),
        (
            {"max_candidates": 9},
            "SELECT id FROM docs-a RANK BY KNN([1, 1]) RERANK BY MMR(candidates = 10) LIMIT 2",
            "10 candidates are more",
        ),
        (
            {"max_cost": 99},
            "SELECT id FROM docs-a, docs-b RANK BY KNN([1, 1]) LIMIT 50",
            "2 collections x 50 candidates are 100, and at most 99",
        ),
        ({"max_cost": 99}, "SELECT id FROM docs-* LIMIT 34", "3 collections x 34 candidates are 102"),
        ({"max_cost": 99}, "SELECT id FROM docs-* ORDER BY id", "add a LIMIT: collections x rows are at most 99"),
        (
            {"max_limit": 5},
            "SELECT id FROM docs-a USING EMBEDDING BATCH (VECTOR [1, 1], VECTOR [2, 1]) LIMIT 3",
            "LIMIT is at most 2 here for 2 queries",
        ),
        ({"max_limit": 2}, "SHOW COLLECTIONS LIMIT 3", "LIMIT is at most 2 here"),
        ({"max_timeout": 2}, "SELECT id FROM docs-a WITH (timeout = 2.5)", "timeout is at most 2 here"),
    ],
    ids=range(13),
)
def test_a_statement_beyond_a_limit_is_refused_with_the_limit(
    full: Any, limits: dict[str, Any], statement: str, message: str
) -> None:
    """Each limit of a scope is named by the error, and no statement gets past it."""
    assert message in refused(chromasql.connect(full, scope=Scope(**limits)), statement)


def test_limits_stand_in_where_a_statement_says_nothing(full: Any) -> None:
    """Without LIMIT there are as many rows as may be, with a warning; open pools shrink; time is the least given."""
    scope = Scope(max_limit=5, max_candidates=9, max_timeout=30)
    database = chromasql.connect(full, scope=scope)
    scanned = database.execute("SELECT id FROM docs-a")
    ranked = database.execute("SELECT id FROM docs-a RANK BY RRF(KNN([1, 1]), BM25('rust'))")

    assert len(scanned) == 5
    assert [warning.code for warning in scanned.warnings] == ["limited"]
    assert {leaf.limit for leaf in ranked.plan.rankings[0].leaves} == {9}
    assert database.execute("SELECT id FROM docs-a LIMIT 1").plan.timeout == 30
    assert database.execute("SELECT id FROM docs-a LIMIT 1", timeout=40).plan.timeout == 30
    assert database.execute("SELECT id FROM docs-a LIMIT 1", timeout=3).plan.timeout == 3
    assert not database.execute("SELECT COUNT(*) FROM docs-a").warnings


def test_a_strategy_of_rerank_by_reads_only_open_fields(full: Any) -> None:
    """A strategy that reads documents is refused where they are closed; MMR, which measures, is not."""
    chromasql.register_reranker("first_letter", lambda request: [0.0] * len(request.rows))
    database = chromasql.connect(full, scope=Scope(fields=["id"]))
    statement = "SELECT id FROM docs-a RANK BY KNN([1, 1]) RERANK BY {} LIMIT 2"

    assert "document is outside the scope" in refused(database, statement.format("FIRST_LETTER"))
    assert len(database.execute(statement.format("MMR"))) == 2


def test_a_router_sees_the_predicate_and_cannot_lead_outside(full: Any) -> None:
    """A router is given the statement with the predicate, and where it fails or leads outside nothing is told."""
    seen: list[Any] = []

    def route(query: chromasql.ast.Query) -> list[str] | None:
        seen.append(chromasql.extract_metadata_values(query, field_path=("tenant",)))
        if query.offset is None:
            return None
        if query.offset.value == 0:
            return ["docs-a", "hr-pay"]
        raise LookupError("there are only docs-a and hr-pay")

    database = chromasql.connect(full, router=route, scope=SCOPE)

    assert database.execute("SELECT COUNT(*) AS n FROM any WHERE year > 0").rows == [{"n": 30}]
    outside = refused(database, "SELECT id FROM any OFFSET 0")
    assert outside == refused(database, "SELECT id FROM any OFFSET 1")
    assert "hr-pay" not in outside
    assert seen[0] == {"x"}


def test_scopes_narrow_each_other(full: Any) -> None:
    """A database within a scope can be narrowed further and never widened."""
    outer = chromasql.connect(full, scope=Scope(collections=["docs-*"], where="tenant = 'x'", max_limit=4))
    inner = outer.scoped(
        Scope(collections=["docs-a", "hr-pay"], where="year = 2000", max_limit=100, fields=["id", "year"])
    )

    assert [row["name"] for row in inner.execute("SHOW COLLECTIONS")] == ["docs-a"]
    assert refused(inner, "SELECT id FROM hr-pay LIMIT 1").startswith("collection hr-pay does not exist")
    assert "LIMIT is at most 4" in refused(inner, "SELECT id FROM docs-a LIMIT 5")
    assert "tenant is outside the scope" in refused(inner, "SELECT tenant FROM docs-a LIMIT 1")
    assert {row["year"] for row in inner.execute("SELECT * EXCEPT (document), year FROM docs-a")} == {2000}
    assert len(outer.execute("SELECT tenant FROM docs-b LIMIT 4")) == 4


def test_fields_of_scopes_within_scopes_are_those_that_all_permit() -> None:
    """The keys that may be seen are the intersection; all of metadata counts as every key."""
    wide = Scope(fields=["id", "metadata"])
    narrow = Scope(fields=["ID", "metadata.year", "document"], within=wide)

    assert wide.keys is None
    assert narrow.keys == ("year",)
    assert narrow.allows_column(Column("id"))
    assert not narrow.allows_column(Column("document"))
    assert Scope(within=narrow).keys == ("year",)
    assert Scope(within=narrow).shown_fields == "ID, metadata.year"
    assert Scope(fields=["year"], within=Scope(fields=["id"])).shown_fields == "none"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"collections": "docs"}, "collections of a Scope takes a list of names, not 'docs'"),
        ({"fields": ["id", ""]}, "fields of a Scope takes a list of names"),
        ({"fields": ["*"]}, "fields of a Scope takes names (id, year, metadata.year; metadata for all keys), not '*'"),
        ({"fields": ["metadata['year']"]}, "fields of a Scope takes names"),
        ({"collections": 5}, "collections of a Scope takes a list of names, not 5"),
        ({"where": 5}, "where of a Scope takes a predicate as text, not 5"),
        ({"within": {}}, "within of a Scope takes a Scope, not {}"),
        ({"where": "tenant = "}, "where of a Scope: expected an expression"),
        ({"where": "tenant = 'x' LIMIT 1"}, "where of a Scope: it takes a predicate and no other clause"),
        ({"where": "tenant = :t"}, "where of a Scope: no value for the parameter :t"),
        ({"params": {"t": 1}}, "a Scope has params for its where, and this one has no where"),
        ({"max_limit": 0}, "max_limit of a Scope takes a whole number of at least 1, not 0"),
        ({"max_cost": 1.5}, "max_cost of a Scope takes a whole number of at least 1, not 1.5"),
        ({"max_timeout": float("inf")}, "max_timeout of a Scope takes a number of seconds above 0, not inf"),
    ],
    ids=range(14),
)
def test_a_scope_that_cannot_be_meant_is_refused_when_it_is_made(wrong: dict[str, Any], message: str) -> None:
    """What is wrong with a scope is said before there is a statement."""
    with pytest.raises(chromasql.ChromaSQLPlanningError, match=re.escape(message)):
        Scope(**wrong)


@pytest.mark.parametrize(
    "where", ["distance < 1", "metadata IS NULL", "embedding IS NULL", "COUNT(*) > 1"], ids=range(4)
)
def test_a_predicate_that_no_record_can_be_tested_by_is_refused_at_once(full: Any, where: str) -> None:
    """A database does not open within a scope whose predicate cannot be planned."""
    with pytest.raises(chromasql.ChromaSQLPlanningError, match=r"Scope"):
        chromasql.connect(full, scope=Scope(where=where))


def test_a_scope_is_a_scope(full: Any) -> None:
    """Something else in its place is refused, rather than taken for no scope at all."""
    for wrong in ({"collections": []}, {}):
        with pytest.raises(chromasql.ChromaSQLPlanningError, match="scope must be a Scope, not dict"):
            chromasql.connect(full, scope=wrong)
    with pytest.raises(chromasql.ChromaSQLPlanningError, match="scope must be a Scope, not NoneType"):
        chromasql.connect(full).scoped(None)  # type: ignore[arg-type]


def test_hints_know_only_what_may_be_seen(full: Any) -> None:
    """A warning of an unknown key names keys of records inside the scope, and none that is closed."""
    near = chromasql.connect(full, scope=OPEN).execute("SELECT klaxn FROM open-a LIMIT 1")
    empty = chromasql.connect(full, scope=SCOPE).execute("SELECT id FROM docs-a WHERE year = 1")

    assert [warning.message for warning in near.warnings] == ["no record of a sample has the metadata key klaxn"]
    assert "klaxon" in str(chromasql.connect(full).execute("SELECT klaxn FROM open-a LIMIT 1").warnings)
    assert not empty.warnings


def test_what_a_strategy_or_bm25_reads_is_a_field(full: Any) -> None:
    """BM25 tells which words documents hold, so it is refused where documents are closed."""
    database = chromasql.connect(full, scope=Scope(fields=["id"]))

    assert "document is outside the scope" in refused(database, "SELECT id FROM docs-a RANK BY BM25('classified')")


def test_explain_analyze_does_not_tell_how_much_had_to_be_read(full: Any) -> None:
    """Within a predicate the calls and bytes of a step, which hidden records swell, are left out."""
    statement = "EXPLAIN ANALYZE SELECT id FROM docs-a LIMIT 3"
    steps = [row["plan"] for row in chromasql.connect(full, scope=SCOPE).execute(statement) if " ms" in row["plan"]]

    assert any("scan: 3 rows" in step for step in steps)
    assert not any("1 call" in step or "bytes" in step for step in steps)
    assert "1 call" in str(chromasql.connect(full).execute(statement).rows)


# What was tried to get out


@pytest.mark.server
@pytest.mark.parametrize("kind", ["blocking", "async", "address"])
async def test_a_name_leads_to_no_other_collection(
    chroma_server: Any, open_async_client: Any, unique_name: Any, kind: str
) -> None:
    """A quoted name with a slash or a blank names no collection, whichever client puts it into an address."""
    host, port = chroma_server.host, chroma_server.port
    admin = chromadb.HttpClient(host, port)
    secret = unique_name()
    admin.create_collection(secret).add(ids=["secret"], embeddings=[[1.0]])
    names = [f"docs-x/{secret}", f"docs-x {secret}"]
    sources = {"blocking": admin, "address": chroma_server.url}
    source = sources.get(kind) or await open_async_client(host, port)

    async with chromasql.connect_async(source, scope=Scope(collections=["docs-*"])) as database:
        for name in names:
            for statement in (f'SELECT id FROM "{name}"', f'DESCRIBE "{name}"'):
                with pytest.raises(chromasql.ChromaSQLRoutingError, match=r"collection docs-x.* does not exist"):
                    await database.execute(statement)


def memory(**collections: list[dict[str, Any]]) -> MemoryProvider:
    """Make collections of records with an embedding each."""
    return MemoryProvider(
        {
            name.replace("_", "-"): [{"embedding": [1.0], **record} for record in records]
            for name, records in collections.items()
        }
    )


def test_a_server_outside_is_neither_asked_nor_named() -> None:
    """A server that no collection inside the scope can be on is not listed, whatever fails there."""
    outside = Spy(memory(docs=[{"id": "a"}]), {("", "list"): raises(ConnectionError("10.0.0.7 refused"))})
    servers = ServersProvider({"eu": memory(docs=[{"id": "a"}], pay=[{"id": "b"}]), "hr-secret": outside})
    database = chromasql.connect(servers, scope=Scope(collections=["eu.docs", "eu.n*"]))

    for statement in ("SELECT id FROM *", "SELECT id FROM eu.*", "SHOW COLLECTIONS"):
        result = database.execute(statement)
        assert len(result) == 1
        assert result.complete
    for statement in ("SELECT id FROM hr-secret.docs", "SELECT id FROM eu.pay", "DESCRIBE eu.pay", "DESCRIBE eu.nope"):
        message = refused(database, statement)
        assert message.startswith("collection ")
        assert "does not exist" in message
        assert message.endswith(("eu.docs", "eu.docs?"))
    assert outside.calls == []


@pytest.mark.parametrize(
    ("pattern", "reached"),
    [("eu.docs", "eu"), ("eu.*", "eu"), ("*.docs", "eu us"), ("e*", "eu"), ("*", "eu us"), ("docs", ""), ("eu", "")],
)
def test_which_servers_a_scope_reaches(pattern: str, reached: str) -> None:
    """A server is reached where a name that begins with it may match, in every scope around."""
    scope = Scope(collections=[pattern])

    assert [server for server in ("eu", "us") if scope.allows_server(server)] == reached.split()
    assert not Scope(collections=["*"], within=Scope(collections=["x.*"])).allows_server("eu")


def test_a_scope_does_not_change_when_its_parameters_do() -> None:
    """What is put into the mapping or the list given afterwards has no effect."""
    params = {"t": ["x"]}
    scope = Scope(where="tenant IN :t", params=params)
    params["t"].append("y")
    params["t"] = ["y"]
    provider = memory(docs=[{"id": tenant, "metadata": {"tenant": tenant}} for tenant in "xy"])
    database = chromasql.connect(provider, scope=Scope(max_limit=100))

    assert database.scoped(scope).execute("SELECT id FROM docs").rows == [{"id": "x"}]
    assert hash(scope) == hash(Scope(where="tenant IN :t", params={"t": ["x"]}))


def test_a_record_that_leaves_the_scope_while_it_is_fetched_is_gone(client: Any) -> None:
    """A winner that is given to another tenant before its document is fetched is not shown, nor is its id."""
    collection = client.create_collection("docs")
    collection.add(
        ids=[f"r{at}" for at in range(40)],
        embeddings=[[float(at)] for at in range(40)],
        documents=["of x"] * 40,
        metadatas=[{"tenant": "x"}] * 40,
    )
    spy = Spy.on(client)

    async def given_away() -> None:
        if spy.sent("query") and spy.calls[-1] == ("docs", "get"):
            collection.update(ids=["r0"], embeddings=[[0.0]], documents=["of y"], metadatas=[{"tenant": "y"}])

    spy.during = given_away
    database = chromasql.connect(spy, scope=Scope(where="tenant = 'x'", fields=["document"]))
    result = database.execute(
        "SELECT document FROM docs USING EMBEDDING (VECTOR [0]) RERANK BY MMR(candidates = 30) LIMIT 2 "
        "WITH (exact = FALSE)"
    )

    assert result.rows == [{"document": "of x"}] * 2
    assert [warning.message for warning in result.warnings] == [
        "a record was deleted from docs while the statement ran"
    ]


def test_a_missing_collection_is_answered_without_the_words_of_the_provider() -> None:
    """The error for a name that a router built mentions near names inside the scope alone."""
    provider = memory(docs_a=[{"id": "a"}], doc_secret=[{"id": "b"}])
    router = PatternRouter("docs-{tenant}")
    database = chromasql.connect(provider, router=router, scope=Scope(collections=["docs-*"]))
    message = refused(database, "SELECT id FROM docs WHERE tenant = 'secret'")

    assert message.splitlines()[0] == "the router chose collection docs-secret, which does not exist"
    assert refused(database, "DESCRIBE docs-secret") == "collection docs-secret does not exist; available: docs-a"


def test_a_router_that_fails_is_not_quoted() -> None:
    """Within a predicate alone, too, what a router says of the values that it knows stays outside."""

    def route(_: chromasql.ast.Query) -> list[str]:
        raise LookupError("the tenants are x and y")

    database = chromasql.connect(memory(docs=[]), router=route, scope=Scope(where="tenant = 'x'"))

    assert "tenants" not in refused(database, "SELECT id FROM docs WHERE tenant = 'z'")


def test_explain_analyze_does_not_tell_the_size_of_closed_fields(full: Any) -> None:
    """Where fields are closed, the bytes and calls of a step are left out like within a predicate."""
    database = chromasql.connect(full, scope=Scope(fields=["id", "year"]))
    plan = database.execute("EXPLAIN ANALYZE SELECT year FROM docs-a LIMIT 3").explanation

    assert "scan: 3 rows" in plan
    assert "call," not in plan
    assert "bytes" not in plan


def test_nothing_but_a_star_is_special_in_the_names_of_a_scope() -> None:
    """A dot is itself, and a percent sign, which no name of Chroma's has, is refused."""
    assert not Scope(collections=["d.cs"]).allows_collection("docs")
    with pytest.raises(chromasql.ChromaSQLError):
        Scope(collections=["doc%"])
    assert Scope(collections=["d*s"]).allows_collection("docs")
    assert not Scope(collections=["d*s"]).allows_collection("docs-a")


def test_a_field_in_the_predicate_of_a_scope_is_never_qualified() -> None:
    """``t.hidden`` is the key of that name, whatever the predicate is read as a part of."""
    provider = memory(docs=[{"id": "a", "metadata": {"t.hidden": True}}, {"id": "b", "metadata": {"hidden": True}}])
    database = chromasql.connect(provider, scope=Scope(where="t.hidden IS DISTINCT FROM TRUE"))

    assert database.execute("SELECT id FROM docs").rows == [{"id": "b"}]


def test_limits_leave_answers_as_they_are(full: Any) -> None:
    """A limit cuts rows and never widens what is ranked, so counts are those without it; defaults are lowered."""
    count = "SELECT COUNT(*) AS n FROM docs-a, docs-b, docs-c, docs, hr-pay RANK BY KNN([1, 1])"

    assert chromasql.connect(full, scope=Scope(max_limit=300)).execute(count).rows == [{"n": 150}]
    both = chromasql.connect(full, scope=Scope(max_limit=60, max_candidates=50))
    assert len(both.execute("SELECT id FROM docs-a, docs-b RANK BY KNN([1, 1])")) == 50
    batch = "SELECT id FROM docs-a USING EMBEDDING BATCH (VECTOR [1, 1], VECTOR [2, 1]{})"
    lists = chromasql.connect(full, scope=Scope(max_limit=5)).execute(batch.format("")).results
    assert [len(each) for each in lists] == [2, 2]
    settings = chromasql.Settings(per_collection=50)
    lowered = chromasql.connect(full, settings=settings, scope=Scope(max_candidates=9))
    assert lowered.execute("SELECT id FROM docs-a RANK BY KNN([1, 1])").plan.per_collection == 9


def test_show_is_limited_with_a_warning(full: Any) -> None:
    """SHOW COLLECTIONS ends where the scope says, and says so."""
    result = chromasql.connect(full, scope=Scope(max_limit=2)).execute("SHOW COLLECTIONS")

    assert len(result) == 2
    assert [warning.code for warning in result.warnings] == ["limited"]


def test_a_key_that_only_the_scope_tests_is_no_typing_error(full: Any) -> None:
    """An empty answer warns of no key that the statement does not name."""
    database = chromasql.connect(full, scope=Scope(where="deleted IS DISTINCT FROM TRUE"))

    assert not database.execute("SELECT id FROM docs-a WHERE year = 1").warnings


def test_a_plan_can_be_made_within_a_scope() -> None:
    """``build_plan`` takes a scope, so what a statement would do can be looked at without a database."""
    plan = chromasql.build_plan(chromasql.parse("SELECT id FROM docs"), scope=Scope(where="year = 1", max_limit=3))

    assert plan.filter.requests[0].where == {"year": {"$eq": 1}}
    assert plan.limit == 3
    assert chromasql.build_plan(chromasql.parse("SELECT id FROM docs"), scope=Scope(max_timeout=5)).timeout == 5


def test_names_are_listed_once(full: Any) -> None:
    """SHOW within a predicate, which has to know what kind of Chroma it asks, lists the collections once."""
    spy = Spy.on(full)
    chromasql.connect(spy, scope=SCOPE).execute("SHOW COLLECTIONS")

    assert len(spy.sent("list")) == 1


def test_patterns_of_a_scope_take_linear_time() -> None:
    """A name that nearly matches a pattern of many stars is told from one that does."""
    scope = Scope(collections=["*a" * 40 + "*b"])

    assert not scope.allows_collection("a" * 100_000)
    assert scope.allows_collection("a" * 100_000 + "b")
