"""
The oracle: what statements must answer, worked out the slow way from the language reference alone.

It shares no code with the package. ``values`` are records and what holds of single values, ``predicates`` are WHERE,
``statements`` are SELECT with and without USING EMBEDDING, and ``ranks`` are those with RANK BY.
"""
