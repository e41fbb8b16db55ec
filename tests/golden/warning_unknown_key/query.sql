SELECT id FROM papers WHERE topci = 'db'
