SELECT id FROM papers, notes RANK BY KNN([1, 0]) RERANK BY MMR(lambda = 0.3) LIMIT 3
