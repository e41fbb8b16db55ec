from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromasql import MemoryProvider, ast, connect
from chromasql.adapters import MetadataFieldRouter, PatternRouter, StaticRouter, load_query_config
from chromasql.analysis import bind_parameters
from chromasql.errors import ChromaSQLRoutingError
from chromasql.parser import parse
from chromasql.protocols import CollectionRouter
from tests.support.strategies.conditions import Condition, Metadata, conditions, metadatas

CONFIG: dict[str, Any] = {
    "model_to_collections": {
        "Table": {"collections": ["c2", "c1"], "total_documents": 7},
        "Field": {"collections": ["c3", "c2"]},
        "Empty": {"collections": []},
        "2024": {"collections": ["year"]},
        "true": {"collections": ["yes"]},
    },
    "collection_to_models": {"c1": ["Table"], "c2": ["Table", "Field"], "c3": ["Field"], "c4": ["Field", "Late"]},
    "metadata": {"total_collections": 4},
}


def query(where: str = "", params: Any = None) -> ast.Query:
    statement = parse(f"SELECT id FROM docs {f'WHERE {where}' if where else ''}")
    assert isinstance(statement, ast.Query)
    return bind_parameters(statement, params)


# MetadataFieldRouter


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("model = 'Table'", ["c2", "c1"]),
        ("model = 'Field'", ["c2", "c3", "c4"]),
        ("model IN ('Field', 'Table')", ["c2", "c1", "c3", "c4"]),
        ("model = 'Table' OR model = 'Field'", ["c2", "c1", "c3", "c4"]),
        ("model = 'Late'", ["c4"]),
        ("model = 'Empty'", []),
        ("model = 'Table' AND model = 'Field'", []),
        ("NOT (model != 'Table') AND size > 3", ["c2", "c1"]),
        ("model = 2024", ["year"]),
        ("model = 2024.0", ["year"]),
        ("model = '2024'", ["year"]),
        ("model = TRUE", ["yes"]),
        ("model = 'true'", ["yes"]),
        ("", None),
        ("model != 'Table'", None),
        ("model = 'Table' OR size > 3", None),
        ("model = 'Unknown'", None),
        ("model IN ('Table', 'Unknown')", None),
        ("model = FALSE", None),
        ("model = 1", None),
    ],
)
def test_a_table_says_where_values_are(where: str, expected: list[str] | None) -> None:
    """The collections of the allowed values are asked, in the table's order; all of them where it cannot say."""
    router = MetadataFieldRouter(CONFIG, ("model",))

    assert router.route(query(where)) == expected
    assert isinstance(router, CollectionRouter)


def test_keys_given_in_python_keep_their_kind() -> None:
    """A table made in Python may have numbers and booleans as keys; 1 is neither '1' nor TRUE."""
    table = {"model_to_collections": {1: {"collections": ["one"]}, "1": {"collections": ["text"]}}}
    router = MetadataFieldRouter(table, "k", fallback_to_all=False)

    assert router.route(query("k = 1.0")) == ["one", "text"]
    assert router.route(query("k = '1'")) == ["text"]
    with pytest.raises(ChromaSQLRoutingError):
        router.route(query("k = TRUE"))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("k = 1.5", ["half"]),
        ("k = 2", ["two"]),
        ("k = -3", ["minus"]),
        ("k = 1000", ["thousand"]),
        ("k = TRUE", ["yes"]),
        ("k = FALSE", ["no"]),
        ("k = 0", None),
        ("k = '2'", None),
    ],
)
def test_keys_of_json_stand_for_other_kinds(where: str, expected: list[str] | None) -> None:
    """A number or a boolean is found under the string that JSON or Python makes of it."""
    keys = {"1.5": "half", "2.0": "two", "-3": "minus", "1e3": "thousand", "True": "yes", "false": "no", "nan": "none"}
    table = {"model_to_collections": {key: {"collections": [name]} for key, name in keys.items()}}

    assert MetadataFieldRouter(json.loads(json.dumps(table)), "k").route(query(where)) == expected


def test_strict_names_the_field_to_constrain() -> None:
    """Without the fallback a statement that does not constrain the key is refused, with what to write."""
    router = MetadataFieldRouter(CONFIG, ("org", "model"), fallback_to_all=False)

    with pytest.raises(ChromaSQLRoutingError) as caught:
        router.route(query("size > 3"))

    assert "WHERE must say which org.model is meant" in caught.value.message
    assert "write metadata.org.model = '..' or metadata.org.model IN ('..', '..')" in caught.value.message
    assert "size > 3\n" in str(caught.value)


def test_the_hint_of_an_odd_key_can_be_written() -> None:
    """The spelling that the refusal gives parses and routes, even for a key with a space."""
    router = MetadataFieldRouter(
        {"model_to_collections": {"a": {"collections": ["c"]}}}, "odd key", fallback_to_all=False
    )

    with pytest.raises(ChromaSQLRoutingError, match=r"metadata\['odd key'\] = "):
        router.route(query())
    assert router.route(query("metadata['odd key'] = 'a'")) == ["c"]


def test_strict_names_the_unknown_value() -> None:
    """Without the fallback a value that the table does not list is refused, with the nearest that it does."""
    router = MetadataFieldRouter(CONFIG, ("model",), fallback_to_all=False)

    with pytest.raises(ChromaSQLRoutingError, match="no model 'Tabel'; did you mean Table"):
        router.route(query("model IN ('Table', 'Tabel')"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "wrong at the top"),
        ([], "wrong at the top"),
        ({}, "wrong at model_to_collections: Field required"),
        ({"model_to_collections": ["Table"]}, "wrong at model_to_collections: Input should be a valid dict"),
        ({"model_to_collections": {"Table": ["c1"]}}, "wrong at model_to_collections.Table: "),
        ({"model_to_collections": {"Table": {"collections": "c1"}}}, "model_to_collections.Table.collections: "),
        ({"model_to_collections": {"Table": {"collections": [1]}}}, "model_to_collections.Table.collections.0: "),
        ({"model_to_collections": {None: {"collections": []}}}, "a string, a number or a boolean"),
        ({"model_to_collections": {}, "collection_to_models": {"c": "T"}}, "wrong at collection_to_models.c: "),
        ({"model_to_collections": {}, "collection_to_models": {"c": [None]}}, "wrong at collection_to_models.c.0: "),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(config: Any, message: str) -> None:
    """A query config of another shape is refused by our error, which names the place and shows the shape."""
    with pytest.raises(ChromaSQLRoutingError) as caught:
        MetadataFieldRouter(config, ("model",))

    assert message in caught.value.message
    assert '{"model_to_collections": {"value": {"collections": ["name", ..]}, ..}}' in caught.value.message


def test_a_router_needs_a_key() -> None:
    """An empty field path is refused."""
    with pytest.raises(ChromaSQLRoutingError, match="names no metadata key"):
        MetadataFieldRouter(CONFIG, ())


def test_a_query_config_is_read(tmp_path: Path) -> None:
    """A file gives the table as it stands there, further keys and all."""
    path = tmp_path / "query_config.json"
    path.write_text(json.dumps(CONFIG), "utf-8")

    assert load_query_config(path) == CONFIG
    assert load_query_config(str(path)) == CONFIG


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON: Expecting property name"),
        (b"\xff", "is not JSON: 'utf-8'"),
        (b"[]", "is wrong at the top"),
        (b'{"model_to_collections": {"a": 1}}', "is wrong at model_to_collections.a"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    """A file that is missing or no query config is refused by name, with what is wrong."""
    path = tmp_path / "query_config.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ChromaSQLRoutingError) as caught:
        load_query_config(path)

    assert f"the query config {path} {message}" in caught.value.message


# PatternRouter


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("tenant = 'acme'", ["t_acme_docs"]),
        ("tenant IN ('b', 'a', 'a')", ["t_a_docs", "t_b_docs"]),
        ("tenant = 7", ["t_7_docs"]),
        ("tenant = 7.0", ["t_7_docs"]),
        ("tenant = -1.5", ["t_-1.5_docs"]),
        ("tenant = TRUE OR tenant = FALSE", ["t_false_docs", "t_true_docs"]),
        ("tenant = 'a' AND tenant = 'b'", []),
        ("tenant != 'a'", None),
        ("", None),
    ],
)
def test_a_pattern_makes_names(where: str, expected: list[str] | None) -> None:
    """Each allowed value gives one name, in alphabetical order; all collections where it cannot say."""
    assert PatternRouter("t_{tenant}_docs").route(query(where)) == expected


def test_several_fields_give_every_combination() -> None:
    """The names are the product of the allowed values; a field may be dotted, and may stand twice."""
    router = PatternRouter("{org.region}-{year}-{org.region}")

    names = router.route(query("org.region IN ('eu', 'us') AND year IN (2023, 2024)"))

    assert names == ["eu-2023-eu", "eu-2024-eu", "us-2023-us", "us-2024-us"]


def test_a_contradiction_on_one_field_asks_nothing() -> None:
    """No record satisfies a contradiction, whatever the other fields are."""
    assert PatternRouter("{a}_{b}").route(query("a = 'x' AND a = 'y'")) == []


def test_a_strict_pattern_names_the_field() -> None:
    """Without the fallback the first field that is not constrained is named."""
    router = PatternRouter("{a}_{b}", fallback_to_all=False)

    with pytest.raises(ChromaSQLRoutingError, match="WHERE must say which b is meant"):
        router.route(query("a = 'x'"))


@pytest.mark.parametrize("value", ["a b", "a/b", "*", "", "é", "a\n", "{a}", "a';--"])
@pytest.mark.parametrize("fallback", [True, False])
def test_a_value_cannot_smuggle_text(value: str, fallback: bool) -> None:
    """A value that no name of Chroma can hold is refused by name rather than skipped or quoted."""
    router = PatternRouter("t_{tenant}_docs", fallback_to_all=fallback)

    with pytest.raises(ChromaSQLRoutingError) as caught:
        router.route(query("tenant = :t", {"t": value}))

    assert repr(value) in caught.value.message


def test_the_same_value_is_named_on_every_run() -> None:
    """Of several values that cannot be part of a name, the refusal names the first in order."""
    with pytest.raises(ChromaSQLRoutingError, match=r"^'a b' cannot"):
        PatternRouter("t_{tenant}").route(query("tenant IN ('d e', 'c d', 'b c', 'a b')"))


@pytest.mark.parametrize(
    ("template", "value"), [("{t}", "a"), ("{t}", ".abc"), ("{t}", "abc_"), ("x-{t}", "a..b"), ("x{t}", "a" * 512)]
)
def test_a_name_that_chroma_refuses_is_refused(template: str, value: str) -> None:
    """Letters alone do not make a name: its ends, its dots and its length count too."""
    with pytest.raises(ChromaSQLRoutingError, match="which cannot be the name of a collection"):
        PatternRouter(template).route(query("t = :t", {"t": value}))


@pytest.mark.parametrize("template", ["docs", "docs_{}", "docs {t}", "docs_{t", "docs_{{t}}", "*{t}", ""])
def test_a_wrong_template_is_refused(template: str) -> None:
    """A template without a field, or with text that no name holds, is refused when the router is made."""
    with pytest.raises(ChromaSQLRoutingError):
        PatternRouter(template)


def test_too_many_combinations_are_not_spelled_out() -> None:
    """Beyond ten thousand names all collections are asked, or the statement is refused."""
    values = [f"v{number}" for number in range(101)]
    statement = query("a IN :v AND b IN :v", {"v": values})

    assert PatternRouter("{a}_{b}").route(statement) is None
    with pytest.raises(ChromaSQLRoutingError, match="leads to 10201 collections, more than 10000"):
        PatternRouter("{a}_{b}", fallback_to_all=False).route(statement)


# StaticRouter


def test_a_static_router_gives_its_names() -> None:
    """Every statement goes to the names given, without repeats; a single string is one name."""
    assert StaticRouter(["b", "a", "b"]).route(query()) == ("b", "a")
    assert StaticRouter("docs").route(query("k = 'x'")) == ("docs",)


# The law


def config_of(records: list[Metadata], spread: list[int]) -> tuple[dict[str, Any], dict[str, list[Metadata]]]:
    """Put the records into collections by the key and write down, as JSON would, which value is where."""
    table: dict[str, dict[str, list[str]]] = {}
    placed: dict[str, list[Metadata]] = {}
    for record, number in zip(records, spread, strict=True):
        name = f"c{number}"
        placed.setdefault(name, []).append(record)
        value = record.get("k")
        if isinstance(value, list) or value is None:
            continue
        key = json.dumps(value) if not isinstance(value, str) else value
        table.setdefault(key, {"collections": []})["collections"].append(name)
    return {"model_to_collections": table}, placed


def kept(records: list[Metadata], condition: Condition) -> list[Metadata]:
    return [record for record in records if condition.truth(record) is True]


@given(
    conditions(["k", "other"]),
    st.lists(st.tuples(metadatas(["k", "other"]), st.integers(0, 3)), max_size=12),
    st.booleans(),
)
def test_a_table_never_loses_a_row(condition: Condition, placed: list[tuple[Metadata, int]], fallback: bool) -> None:
    """Asking the collections that a truthful table names finds each row that asking all of them would."""
    config, collections = config_of([record for record, _ in placed], [number for _, number in placed])
    router = MetadataFieldRouter(config, ("k",), fallback_to_all=fallback)

    try:
        names = router.route(query(condition.sql))
    except ChromaSQLRoutingError:
        assert not fallback
        return

    assert names is None or len(set(names)) == len(names)
    for name, records in collections.items():
        if names is not None and name not in names:
            assert kept(records, condition) == []


@given(conditions(["k", "other"]), st.lists(metadatas(["k", "other"]), max_size=12))
def test_a_pattern_never_loses_a_row(condition: Condition, records: list[Metadata]) -> None:
    """A record that satisfies WHERE is in a collection that the pattern makes of its values."""
    names = PatternRouter("docs-{k}-x").route(query(condition.sql))

    for record in kept(records, condition):
        value = record.get("k")
        text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
        assert names is None or f"docs-{text}-x" in names


def three_kinds() -> MemoryProvider:
    names = ("acme-api", "acme-faq", "acme-x-api", "other-api")
    return MemoryProvider({name: [{"id": name, "metadata": {"tenant": name.split("-")[0]}}] for name in names})


def test_pattern_router_narrows_by_the_keys_that_are_known() -> None:
    """With one of two keys known only the collections that fit it are asked; it failed before, when all were."""
    router = PatternRouter("{tenant}-{kind}")
    with connect(three_kinds(), router=router) as db:
        result = db.execute("SELECT id FROM docs WHERE tenant = 'acme' ORDER BY id")

    assert [row["id"] for row in result] == ["acme-api", "acme-faq", "acme-x-api"]
    assert [outcome.collection for outcome in result.outcomes] == ["acme-api", "acme-faq", "acme-x-api"]
    assert router.route(query("kind = 'api'")) == ["*-api"]
    assert router.route(query("other = 1")) is None


def test_pattern_router_to_a_collection_that_does_not_exist() -> None:
    """A value without a collection is a routing error with the nearest names, not an execution error as before."""
    with (
        connect(three_kinds(), router=PatternRouter("{tenant}-{kind}")) as db,
        pytest.raises(ChromaSQLRoutingError, match="did you mean acme-api") as caught,
    ):
        db.execute("SELECT id FROM docs WHERE tenant = 'acmee' AND kind = 'api'")

    assert caught.value.code == "unknown-collection"
