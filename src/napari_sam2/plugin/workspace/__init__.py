"""One image that somebody works on: its source, layers, objects, prompts and file."""
