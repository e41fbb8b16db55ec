SELECT id FROM papers WHERE metadata.score < 1.5
