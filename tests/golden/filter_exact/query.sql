SELECT id, year FROM papers WHERE year >= 2020 AND topic IN ('db', 'ml') ORDER BY year DESC, id
