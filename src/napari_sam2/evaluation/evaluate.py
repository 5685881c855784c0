"""Each object is prompted once, followed and scored."""

from __future__ import annotations

from collections.abc import Iterator

from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.scores import Evaluation, score
from napari_sam2.evaluation.simulated_prompts import simulated_prompts
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.prompts_file import add_prompts
from napari_sam2.session.session import Session


def evaluate(
    dataset: Dataset, model: SAM2VideoPredictor, kind: str = "point", channel: int | None = None, precision: str = "float32"
) -> Iterator[Evaluation | int]:
    """Prompt and propagate all objects of a data set.

    Yields
    ------
    int, then Evaluation
        Each frame that is done, and at the end the scores.
    """
    entries = simulated_prompts(dataset, kind)
    session = Session(dataset.folder / "image.tif", model=model, channel=channel, precision=precision)
    add_prompts(session, entries)
    for result in session.propagate():
        yield result.frame
    yield score(dataset, entries, session.labels)
