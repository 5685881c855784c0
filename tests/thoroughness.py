"""How many examples Hypothesis tries: few by default, ten times as many with ``THOROUGH=1`` in the environment."""

import os


def examples(count: int) -> int:
    """Return the number of examples where ``count`` is enough for each day."""
    return 10 * count if os.environ.get("THOROUGH") == "1" else count
