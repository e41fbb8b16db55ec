"""The language in a page, for language models: what a statement may say, by topic, with statements that run."""

from __future__ import annotations

__all__ = ["INSTRUCTIONS", "TOPICS"]

INSTRUCTIONS = """\
Read-only search over the collections of a Chroma database, in SQL. Call list_collections, then describe_collection to
see the metadata keys, then query. Bind what people typed as params (:name), never paste it into the statement. The tool
`language` explains the dialect, which is not that of a relational database: there are no joins, subqueries or CTEs. An
error says what to write instead, with a caret under the place. Read `complete`, `missing`, `warnings` and `truncated`
of an answer before you rely on it."""

_OVERVIEW = """\
ChromaSQL in a page. A statement reads one or many collections and returns one list of rows.

  SELECT columns FROM collections [ranking] [WHERE test] [GROUP BY ..] [ORDER BY ..] [LIMIT n] [OFFSET n]

Columns: id, document, uri, metadata (all keys), any metadata key by its name (year, or metadata.year), _collection;
after a ranking also distance and score: the lower the better. * is id, document, metadata (and distance).
Collections: docs, or several: docs, notes, or a pattern: docs-*, or all: *. Names with a hyphen need no quotes.
Ranking: RANK BY KNN(:q) by meaning, RANK BY BM25(:q) by words, RANK BY RRF(KNN(:q), BM25(:q)) by both. :q is a text.
Strings take single quotes. Parameters are :name, and params is {"name": value}. NULL is what is missing: test IS NULL.

Three statements, with params {"q": "renewable energy in cities", "year": 2020, "word": "solar"}:

SELECT id, document, score FROM * RANK BY RRF(KNN(:q), BM25(:q)) WHERE year >= :year LIMIT 5;

SELECT id, title, document FROM reports-* WHERE document CONTAINS :word ORDER BY year DESC, id LIMIT 10;

SELECT year, COUNT(*) AS reports FROM reports-* GROUP BY year ORDER BY reports DESC LIMIT 10;

More: language(topic) with ranking, filters, groups, collections or answers.
"""

_RANKING = """\
RANK BY takes one of these, or arithmetic over them (lower is better):
  KNN(:q)                   by meaning; the text is embedded as the collections are. KNN([0.1, 0.2]) takes a vector.
  BM25(:q)                  by words, over the records that WHERE leaves.
  RRF(KNN(:q), BM25(:q))    by both, fused by rank: the best first choice for questions of people.
Ids, distances and scores of several collections are merged into one order. LIMIT is the number of rows.

SELECT id, _collection, document, score FROM docs, notes RANK BY RRF(KNN(:q), BM25(:q)) LIMIT 8;

The best of each group, so that one source does not fill the answer:

SELECT id, source, document FROM * RANK BY KNN(:q) GROUP BY source KEEP 2 LIMIT 10;

Different results instead of near-duplicates: RERANK BY MMR.

SELECT id, document FROM docs RANK BY KNN(:q, limit = 50) RERANK BY MMR(lambda = 0.6) LIMIT 5;

Rows that are near enough: WITH SCORE THRESHOLD x keeps those whose score is at most x; distances depend on the space.
"""

_FILTERS = """\
WHERE tests metadata, ids and documents, with AND, OR, NOT and parentheses:
  year >= 2020          lang IN ('en', 'fr')         year BETWEEN 2019 AND 2024
  author IS NULL        lang IS DISTINCT FROM 'en'   title LIKE 'Solar%' (or ILIKE: any case)
  id = 'r1'             tags CONTAINS 'energy'       tags CONTAINS ANY :tags
  id LIKE '2024-%'      document CONTAINS 'solar'    document REGEX 'sol(ar|stice)'
Comparisons are typed: 2020 is not '2020'. describe_collection shows the kinds of each key. A missing key is NULL, and a
comparison with NULL is neither true nor false, so lang != 'fr' leaves out records without lang; add OR lang IS NULL.
Keys with other characters: metadata['first name'].

SELECT id, title FROM reports WHERE (year >= 2020 OR year IS NULL) AND document CONTAINS :word LIMIT 20;
"""

_GROUPS = """\
COUNT(*), COUNT(key), COUNT(DISTINCT key), SUM, AVG, MIN and MAX, with GROUP BY and HAVING, over all records that WHERE
leaves:

SELECT lang, COUNT(*) AS n, AVG(pages) FROM reports-* WHERE year >= 2020 GROUP BY lang HAVING COUNT(*) > 5 ORDER BY n;

The values of a key:

SELECT DISTINCT lang FROM reports-* ORDER BY lang LIMIT 50;

GROUP BY .. KEEP n is for records, not for counts: see the topic ranking.
"""

_COLLECTIONS = """\
SHOW COLLECTIONS LIKE 'reports-%' lists names and numbers of records; DESCRIBE reports shows the space, the dimension
and the metadata keys with the kinds of their values. The tools list_collections and describe_collection run these.
FROM takes names, patterns with *, and EXCEPT:

SELECT id, _collection FROM * EXCEPT (tmp-*) WHERE year = 2024 LIMIT 10;

Only what this server may reach exists for a statement.
"""

_ANSWERS = """\
query returns columns, rows, complete, missing, warnings and truncated.
complete is false where a collection failed; missing names them, and the rows are those of the others.
warnings are sentences about what is legal but was hardly meant, such as a key that no record has.
truncated counts rows that did not fit, and values whose end was cut (they end in …). Select fewer columns, or read on
with OFFSET. Long vectors are shown as their length. Whole numbers beyond 2^53 are text.
explain shows the plan of a SELECT without running it. An error has its place in the statement, and what to write.
"""

TOPICS = {
    "overview": _OVERVIEW,
    "ranking": _RANKING,
    "filters": _FILTERS,
    "groups": _GROUPS,
    "collections": _COLLECTIONS,
    "answers": _ANSWERS,
}
"""The pages by topic; a test parses each statement in them."""
