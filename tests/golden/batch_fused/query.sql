SELECT id, score FROM papers, notes USING EMBEDDING BATCH (VECTOR [1, 0], VECTOR [0, 1]) TOPK 2 WITH (merge = RRF)
