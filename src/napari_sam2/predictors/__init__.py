"""Inference: the official predictors, and the tracker under them."""
