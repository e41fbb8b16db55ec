SELECT id, document, distance FROM papers, notes RANK BY KNN([1, 0]) RERANK BY MMR(candidates = 3) ORDER BY document DESC LIMIT 2
