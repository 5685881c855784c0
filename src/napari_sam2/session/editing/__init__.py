"""Edits of the state of a session: objects, prompts, the model."""
