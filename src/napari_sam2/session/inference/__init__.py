"""How the model of a session segments what is prompted."""
