SELECT id, distance FROM papers, notes USING EMBEDDING (TEXT 'graph') WHERE topic != 'db' TOPK 3
