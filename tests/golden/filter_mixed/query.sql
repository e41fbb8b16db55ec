SELECT id FROM papers, notes WHERE id = 'n1' OR year > 2021 OR document CONTAINS 'graph'
