"""How one collection is searched: scan, nearest neighbours, Search API, candidates, embedding."""
