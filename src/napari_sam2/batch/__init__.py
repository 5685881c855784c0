"""Many stacks in one run: each a task with its own session file, finished ones known again, one report."""
