"""What propagates objects from frame to frame."""
