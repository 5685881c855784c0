"""Layers that somebody already has as prompts: points, shapes, labels; and results into such layers."""
