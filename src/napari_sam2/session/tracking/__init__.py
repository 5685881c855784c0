"""Tracking of everything without a prompt: objects are found, followed, ended and divided."""
