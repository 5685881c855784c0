"""The layers of a session in the viewer: clicks, boxes, labels, tracks, and what the model sees."""
