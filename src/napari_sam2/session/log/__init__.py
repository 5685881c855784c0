"""The log of a session: as JSON, as a script."""
