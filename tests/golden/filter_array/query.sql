SELECT id FROM papers WHERE tags CONTAINS ANY ('a', 'b') AND tags NOT CONTAINS 'c'
