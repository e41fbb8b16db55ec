SELECT * EXCEPT (document, metadata.body), metadata.year AS y, _collection FROM papers LIMIT 2
