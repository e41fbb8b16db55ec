SELECT id FROM papers WHERE topic = NULL
