SELECT id, year, document FROM papers, notes RANK BY KNN([1, 0], limit = 1000) - 0.001 * COALESCE(year, 2000) ORDER BY year LIMIT 2
