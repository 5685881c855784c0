"""What runs on the worker: the session of an image, its exports and measurements."""
