"""Masks of objects as a label image."""
