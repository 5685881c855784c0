"""Functions on a session of a volume or of a time-lapse of volumes."""
