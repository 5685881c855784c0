"""Inference as the SAM 2 world knows it, and the one tracker under it."""
