"""What Chroma's filters find."""

import math
from typing import Any

import pytest
from chromadb.errors import DuplicateIDError, InternalError, InvalidArgumentError

VALUES = {"int 1": 1, "int -1": -1, "float 1": 1.0, "float 1.5": 1.5, "text": "a", "true": True, "list": ["a", "b"]}


@pytest.fixture
def find(make):
    """Give a function from a filter on `k` to the names of the values that it finds."""
    collection = make()
    names = [*VALUES, "no key", "no metadata"]
    metadatas: list[Any] = [*({"k": value} for value in VALUES.values()), {"p": 1}, None]
    collection.add(ids=names, embeddings=[[0, 0]] * len(names), metadatas=metadatas)

    def find(condition: Any) -> set[str]:
        return set(collection.get(where={"k": condition})["ids"])

    return find


@pytest.fixture
def texts(make):
    """Give a collection with three documents and a record without."""
    collection = make()
    documents: list[Any] = ["one", "two\n", "", None]
    for id_, document in zip("abcd", documents, strict=True):
        collection.add(ids=[id_], embeddings=[[0, 0]], documents=None if document is None else [document])
    return collection


def test_a_fraction_is_cut_before_it_meets_integers(find):
    """Against a value stored as int, 1.5 counts as 1 and -1.5 as -1, in every operator."""
    assert find({"$eq": 1.5}) == {"float 1.5", "int 1"}
    assert find({"$gte": 1.5}) == {"float 1.5", "int 1"}
    assert find({"$lt": 1.5}) == {"float 1", "int -1"}
    assert "int 1" not in find({"$ne": 1.5})
    assert "int -1" not in find({"$gt": -1.5})


def test_a_negated_filter_finds_records_without_the_key(find):
    """`$ne` and `$nin` also find values of other types, records without the key, and records without metadata."""
    others = {*VALUES, "no key", "no metadata"} - {"text"}

    assert find({"$ne": "a"}) == others
    assert find({"$nin": ["a"]}) == others


def test_numbers_and_booleans_never_meet(find):
    """1 finds the int and the float, True finds True alone."""
    assert find({"$eq": 1}) == find({"$eq": 1.0}) == {"int 1", "float 1"}
    assert find({"$eq": True}) == {"true"}


def test_equality_does_not_look_into_lists(find):
    """`$eq` finds the text and not the list that has it; `$contains` finds the list and not the text."""
    assert find({"$eq": "a"}) == {"text"}
    assert find({"$contains": "a"}) == {"list"}


def test_lists_tell_integers_from_floats(make):
    """`$contains 1` finds `[1, 2]` and not `[1.0, 2.5]`, though the scalars 1 and 1.0 find one another."""
    collection = make()
    collection.add(ids=["int", "float"], embeddings=[[0, 0]] * 2, metadatas=[{"t": [1, 2]}, {"t": [1.0, 2.5]}])

    assert collection.get(where={"t": {"$contains": 1}})["ids"] == ["int"]
    assert collection.get(where={"t": {"$contains": 1.0}})["ids"] == ["float"]


def test_text_has_no_order_in_filters(find):
    """`$gt` with a text is refused before it is sent, with a boolean by Chroma itself."""
    with pytest.raises(ValueError):
        find({"$gt": "a"})
    with pytest.raises(InvalidArgumentError):
        find({"$gt": True})


def test_a_number_that_is_not_finite_is_refused_in_a_filter(find):
    """Infinity is refused as an operand."""
    with pytest.raises((ValueError, InvalidArgumentError)):
        find({"$lt": math.inf})


def test_an_id_in_a_filter_is_taken_for_metadata(texts):
    """`#id` finds nothing with `$eq` and everything with `$ne`, without an error."""
    assert texts.get(where={"#id": "a"})["ids"] == []
    assert texts.get(where={"#id": {"$ne": "a"}})["ids"] == list("abcd")


def test_an_equal_document_is_found_by_a_hidden_key(texts):
    """`chroma:document` compares the whole document."""
    assert texts.get(where={"chroma:document": "one"})["ids"] == ["a"]


def test_a_missing_document_is_found_by_negated_filters(texts):
    """`$not_contains` finds a record that has no document, `$contains` never does."""
    assert texts.get(where_document={"$not_contains": "one"})["ids"] == ["b", "c", "d"]
    assert texts.get(where_document={"$regex": "^"})["ids"] == ["a", "b", "c"]


def test_a_nul_character_ends_the_text_that_is_looked_for(texts):
    """U+0000 alone finds every document; a needle that has it finds documents that end in what stands before it."""
    assert texts.get(where_document={"$contains": "\0"})["ids"] == ["a", "b", "c"]
    assert texts.get(where_document={"$contains": "ne\0zzz"})["ids"] == ["a"]
    assert texts.get(where_document={"$contains": "on\0zzz"})["ids"] == []


def test_patterns_are_those_of_rust(texts):
    """`$` does not match before a last newline, as Python's does; look-around and references back are refused."""
    assert texts.get(where_document={"$regex": "two$"})["ids"] == []
    assert texts.get(where_document={"$regex": r"two\s$"})["ids"] == ["b"]
    for refused in ("(?=o)", r"(o)\1", "o{,2}"):
        with pytest.raises(InvalidArgumentError):
            texts.get(where_document={"$regex": refused})


def test_a_pattern_is_refused_in_where(texts):
    """`$regex` is taken by `where_document` and refused by `where`, where it cannot be joined with metadata."""
    with pytest.raises(ValueError):
        texts.get(where={"#document": {"$regex": "one"}})


def test_get_answers_in_the_order_of_insertion(texts):
    """`get` has the order in which ids came first, whatever the order of `ids`."""
    assert texts.get(ids=["d", "b", "a"])["ids"] == ["a", "b", "d"]
    texts.update(ids=["a"], metadatas=[{"k": 1}])
    assert texts.get(limit=2, offset=0)["ids"] == ["a", "b"]


def test_an_id_twice_is_refused_by_get_and_taken_by_query(texts):
    """`get` raises for an id that is named twice; `query` returns it once."""
    with pytest.raises(DuplicateIDError):
        texts.get(ids=["a", "a"])
    assert texts.query(query_embeddings=[[0, 0]], ids=["a", "a"])["ids"] == [["a"]]


def test_a_long_list_of_values_is_an_internal_error(make):
    """SQLite has 32,766 variables for a call; a text takes one of them, a number two."""
    collection = make()
    collection.get(where={"k": {"$in": [str(number) for number in range(32_000)]}}, include=[])
    collection.get(where={"k": {"$in": list(range(16_000))}}, include=[])

    for values in ([str(number) for number in range(33_000)], list(range(17_000))):
        with pytest.raises(InternalError, match="SQL variables"):
            collection.get(where={"k": {"$in": values}}, include=[])
