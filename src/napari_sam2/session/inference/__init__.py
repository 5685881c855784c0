"""Segmentation of prompted objects with the model of a session."""
