"""Prompts each object once, propagates it, and scores the result."""

from __future__ import annotations

from collections.abc import Iterator

from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.scores import Evaluation, score
from napari_sam2.evaluation.simulated_prompts import simulated_prompts
from napari_sam2.session.prompts_file import add_prompts
from napari_sam2.session.session import Session


def prompt_and_score(session: Session, dataset: Dataset, kind: str = "point") -> Iterator[Evaluation | int]:
    """Prompt and propagate all objects of a data set.

    Parameters
    ----------
    session : Session
        On the data set's image, without objects.
    dataset : Dataset
        The data.
    kind : {"point", "box", "mask"}
        How each object is prompted.

    Yields
    ------
    int, then Evaluation
        Each frame that is done, and at the end the scores.

    Raises
    ------
    ValueError
        If there is no such kind, or no object that can be prompted.
    """
    entries = simulated_prompts(dataset, kind)
    add_prompts(session, entries)
    for result in session.propagate():
        yield result.frame
    yield score(dataset, entries, session.labels)
