"""Tools on the canvas: what is drawn with the mouse becomes commands for the session."""
