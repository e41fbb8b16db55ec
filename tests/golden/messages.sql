-- What other dialects write, and what is refused: one statement a line. test_messages.py writes messages.txt from it.

-- Functions
SELECT id FROM docs WHERE LOWER(title) = 'x'
SELECT LENGTH(title) FROM docs
SELECT SUBSTR(title, 1, 7) FROM docs
SELECT id FROM docs WHERE YEAR(date) = 2024
SELECT COALESCE(title, 'x') FROM docs
SELECT MEDIAN(price) FROM docs
SELECT ROUND(price) FROM docs
SELECT id FROM docs WHERE CONTAINS(document, 'x')
SELECT id FROM docs WHERE similar('abc')
SELECT LAG(a) FROM docs
SELECT CAST(price AS INT) FROM docs
SELECT UNNEST(tags) AS tag, COUNT(*) AS n FROM docs GROUP BY tag
SELECT SIMILARITY() FROM docs
SELECT id FROM docs WHERE title LIKE CONCAT('%', :part, '%')

-- Dates
SELECT DATE_TRUNC('month', date) FROM docs
SELECT STRFTIME('%Y-%m', date) AS m, COUNT(*) AS n FROM docs GROUP BY m
SELECT COUNT(*) FROM docs GROUP BY DATE_TRUNC('month', date)
SELECT id FROM docs WHERE date > NOW()
SELECT id FROM docs WHERE date >= DATE '2024-01-01'
SELECT id FROM docs WHERE date >= NOW() - INTERVAL '30 days'
SELECT id FROM docs WHERE date > CURRENT_DATE
SELECT id FROM docs WHERE date >= '2024-01-01'::date

-- A value on the left, or none
SELECT id FROM docs WHERE 'user' = ANY(tags)
SELECT id FROM docs WHERE 'user' IN tags
SELECT id FROM docs WHERE 5 < price
SELECT id FROM docs WHERE -7 < price
SELECT id FROM docs WHERE :n < price
SELECT id FROM docs WHERE 'x' = title
SELECT id FROM docs WHERE 1 = 1
SELECT id FROM docs WHERE TRUE
SELECT id FROM docs WHERE NULL > a
SELECT COUNT(*) FROM docs HAVING NULL > NULL
SELECT id FROM docs WHERE price > rating
SELECT id FROM docs WHERE a = ANY(:list)
SELECT id FROM docs WHERE tags LIKE ANY ('a')

-- A field that stands alone
SELECT id FROM docs WHERE lang = 'en' AND published AND price < 5
SELECT id FROM docs WHERE published
SELECT id FROM docs WHERE NOT published
SELECT id FROM docs WHERE b IS TRUE
SELECT id FROM docs WHERE a NOT NULL
SELECT id FROM docs WHERE a ISNULL
SELECT id FROM docs WHERE a NOTNULL
SELECT id FROM docs WHERE (a) = 1

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
SELECT 'k' AS k FROM docs
SELECT 5 AS k FROM docs
SELECT 'a' || title FROM docs
SELECT id FROM docs WHERE title LIKE '%' || :part || '%'

-- Constructs of other dialects
SELECT CASE WHEN price < 20 THEN 'a' ELSE 'b' END AS band FROM docs
SELECT CASE a + 1 WHEN 2 THEN 3 END FROM docs
SELECT id FROM docs ORDER BY CASE WHEN a = 1 THEN 0 END
SELECT id, COUNT(*) OVER () AS total FROM docs
SELECT COUNT(*) FILTER (WHERE price < 20) FROM docs
SELECT ROW_NUMBER() OVER (PARTITION BY source ORDER BY score) FROM docs
SELECT id FROM docs RANK BY KNN('x') LIMIT 3 BY source
SELECT DISTINCT ON (source) id FROM docs
SELECT id FROM docs FETCH FIRST 5 ROWS ONLY
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
SELECT * EXCLUDE (a) FROM docs
SELECT id FROM docs WINDOW w AS (PARTITION BY a)
SELECT id FROM docs FOR UPDATE
SELECT id FROM docs TABLESAMPLE (10)
DESC docs

-- Columns and pages
SELECT acme-api.title FROM acme-api
SELECT lang, COUNT(*) AS n FROM docs GROUP BY 1
SELECT id FROM docs ORDER BY 2 DESC
SELECT ALL id FROM docs
SELECT COUNT(ALL a) FROM docs
SELECT COUNT(1) FROM docs
SELECT (a) FROM docs
SELECT id FROM docs LIMIT 10 OFFSET :page * 10
SELECT id FROM docs LIMIT 5 OFFSET 2 ROWS
SELECT id FROM docs LIMIT ALL
SELECT id FROM docs USING EMBEDDING TEXT :q
SELECT id FROM docs RANK BY KNN('x') RERANK BY X(a = 1) RERANK BY MMR()
