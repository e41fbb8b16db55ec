SELECT id, score FROM papers, notes RANK BY RRF(KNN('graph'), BM25('graph index')) WHERE id IN ('p1', 'p4', 'n1') AND topic IS DISTINCT FROM 'os' LIMIT 3
