SELECT id, distance, document FROM papers, notes USING EMBEDDING (VECTOR [1, 0]) TOPK 3
