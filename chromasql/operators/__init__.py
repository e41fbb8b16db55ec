"""Pure functions from rows to rows: no calls, no event loop."""
