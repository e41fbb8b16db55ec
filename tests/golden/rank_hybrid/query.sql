SELECT id, score, distance FROM papers, notes RANK BY RRF(KNN('graph'), BM25('graph index'), weights = [2, 1]) LIMIT 4
