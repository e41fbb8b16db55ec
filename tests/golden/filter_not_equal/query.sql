SELECT id, topic FROM papers WHERE topic != 'db'
