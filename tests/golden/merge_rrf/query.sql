SELECT id, score FROM papers, notes USING EMBEDDING (VECTOR [1, 0]) TOPK 3 WITH (merge = RRF, timeout = 30)
