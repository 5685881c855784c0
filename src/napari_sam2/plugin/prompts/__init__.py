"""Prompts as values: clicks, boxes, drawings, the commands that they become, and those that wait for the session."""
