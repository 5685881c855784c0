"""Review of objects on frames, and the rate of wrong masks."""
