SELECT id, topic FROM papers, notes RANK BY KNN([1, 0]) GROUP BY topic KEEP 1 BY year DESC LIMIT 5
