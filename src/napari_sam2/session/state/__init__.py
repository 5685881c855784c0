"""The state of a session, its history, and the values it is made of."""
