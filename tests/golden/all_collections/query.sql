SELECT _collection, id FROM * EXCEPT (notes) LIMIT 3
