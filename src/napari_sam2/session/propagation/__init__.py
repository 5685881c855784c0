"""Propagation of objects from frame to frame."""
