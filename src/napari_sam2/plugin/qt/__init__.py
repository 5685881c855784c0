"""The dock widget and the one background thread."""
