SELECT id FROM papers WHERE distance < 0.3
