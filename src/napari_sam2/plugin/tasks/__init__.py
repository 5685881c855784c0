"""Where tasks are run, and in which order."""
