"""An image layer as a stack: its axes, its file, its pixels, and how other layers lie on it."""
