"""Threads, tasks, limits and the private event loop; nothing here knows what a record is."""
