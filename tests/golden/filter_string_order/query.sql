SELECT id FROM papers WHERE published >= '2021-06-01' ORDER BY published LIMIT 2 OFFSET 1
