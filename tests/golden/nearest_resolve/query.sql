SELECT id, distance FROM papers USING EMBEDDING (VECTOR [1, 0]) WHERE year >= 2020 AND topic LIKE 'm%' LIMIT 2
