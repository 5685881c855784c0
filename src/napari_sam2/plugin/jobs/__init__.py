"""What is done to sessions on the worker, and the text that is shown of it."""
