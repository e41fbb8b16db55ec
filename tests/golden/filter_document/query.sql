SELECT id, document FROM papers, notes WHERE_DOCUMENT LIKE '%index%' AND NOT CONTAINS 'old'
