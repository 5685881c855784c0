"""Layers that somebody has: their content as prompts, and results copied into them."""
