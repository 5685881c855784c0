"""How uncertain results are."""
