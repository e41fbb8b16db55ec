SELECT id FROM papers, notes WHERE topic IS NULL
