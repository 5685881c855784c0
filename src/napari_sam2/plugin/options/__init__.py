"""Options of what takes long, as values, and what is left to do with them."""
