"""The uncertainty of results, for review."""
