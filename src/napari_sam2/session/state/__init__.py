"""The state of a session, its history, and the values that it holds."""
