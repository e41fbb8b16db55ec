-- What other dialects write, and what is refused: one statement a line. test_messages.py writes messages.txt from it.

-- Functions
SELECT id FROM docs WHERE CONTAINS(document, 'x')
SELECT id FROM docs WHERE similar('abc')
SELECT LAG(a) FROM docs
SELECT UNNEST(tags) AS tag, COUNT(*) AS n FROM docs GROUP BY tag
SELECT SIMILARITY() FROM docs

-- Dates
SELECT STRFTIME('%Y-%m', date) AS m, COUNT(*) AS n FROM docs GROUP BY m

-- A value on the left, or none
SELECT id FROM docs WHERE 'user' IN tags
SELECT id FROM docs WHERE tags LIKE ANY ('a')

-- A field that stands alone

-- Something is missing
SELECT id, FROM docs
SELECT id FROM docs WHERE a = 1 AND LIMIT 2
SELECT id FROM docs WHERE LIMIT 2
SELECT id FROM docs WHERE AND a = 1
SELECT id FROM docs WHERE a = 1 OR
SELECT id FROM WHERE x = 1
SELECT id FROM docs, WHERE a = 1

-- Quotes and parameters
SELECT id FROM docs WHERE title = 'it's'
SELECT id FROM docs WHERE title = %s
SELECT id FROM docs WHERE title = {id}
SELECT id FROM docs WHERE title = @id

-- Constructs of other dialects
SELECT ROW_NUMBER() OVER (PARTITION BY source ORDER BY score) FROM docs
SELECT id FROM docs RANK BY KNN('x') LIMIT 3 BY source
SELECT DISTINCT ON (source) id FROM docs
SELECT id FROM docs RANK BY KNN('x') DESC LIMIT 5
SELECT id FROM acme-api a JOIN acme-docs b ON a.id = b.id
SELECT id FROM acme-api AS a JOIN acme-docs AS b ON a.id = b.id
WITH q AS (SELECT id FROM docs) SELECT id FROM q
SELECT id FROM docs INTERSECT SELECT id FROM other
SELECT id FROM docs EXCEPT SELECT id FROM other
SELECT id FROM docs UNION ALL SELECT id FROM other
SELECT id FROM docs QUALIFY n = 1
SELECT a, COUNT(*) FROM docs GROUP BY GROUPING SETS ((a), ())
SELECT a, COUNT(*) FROM docs GROUP BY ROLLUP (a)
SELECT id FROM docs WINDOW w AS (PARTITION BY a)
SELECT id FROM docs FOR UPDATE
SELECT id FROM docs TABLESAMPLE (10)
DESC docs

-- Columns and pages
SELECT id FROM docs ORDER BY 2 DESC
SELECT id FROM docs LIMIT 5 OFFSET 2 ROWS
SELECT id FROM docs LIMIT ALL
SELECT id FROM docs USING EMBEDDING TEXT :q
SELECT id FROM docs RANK BY KNN('x') RERANK BY X(a = 1) RERANK BY MMR()
