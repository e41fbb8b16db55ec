SELECT id, score FROM papers RANK BY 0.5 * KNN([1, 0], limit = 10) + LOG(1 + COALESCE(year, 2000)) / 10 LIMIT 3
