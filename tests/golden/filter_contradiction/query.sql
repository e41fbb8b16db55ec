SELECT id FROM papers WHERE id = 'p1' AND id = 'p2'
