SELECT topic, COUNT(*) AS n, AVG(year), MAX(published) FROM papers, notes GROUP BY topic HAVING n >= 1 ORDER BY n DESC, topic
