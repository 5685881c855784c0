"""How models are trained, and how good they are."""
