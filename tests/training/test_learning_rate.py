"""The learning rate: its peak by default, and its schedule."""

from __future__ import annotations

import pytest

from napari_sam2.training.learning_rate import default_learning_rate, schedule
from tiny_models import TINY, TINY_HIERA


@pytest.mark.parametrize(("steps", "warmup"), [(1000, 50), (100, 10), (4, 1)])
def test_the_rate_warms_up_and_falls(steps: int, warmup: int) -> None:
    course = [schedule(step, steps) for step in range(steps)]
    assert course[0] == pytest.approx(1 / warmup)
    assert max(range(steps), key=course.__getitem__) <= warmup
    assert all(a > b for a, b in zip(course[warmup:], course[warmup + 1 :], strict=False))
    assert schedule(steps, steps) == pytest.approx(0.05)


def test_the_learning_rate_fits_the_model_and_what_is_trained() -> None:
    rates = [default_learning_rate(config, part) for config in (TINY, TINY_HIERA) for part in ("everything", "decoder", "LoRA")]
    assert rates == pytest.approx([3e-4, 6e-4, 15e-4, 1e-5, 2e-5, 5e-5])
