"""Points, shapes and labels of any layer, read as prompts."""
