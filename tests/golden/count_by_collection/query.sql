SELECT _collection, COUNT(*) AS n FROM * GROUP BY _collection
