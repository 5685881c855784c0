"""What the worker reports, and what is derived from it: states of objects on frames, rows of the table, estimates of time."""
