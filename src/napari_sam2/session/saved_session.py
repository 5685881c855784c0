"""A session file, read for what was found: without its model, and without its image where that is not there."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.torch_threads import torch

from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.session.label_writer import LabelWriter
from napari_sam2.session.objects import hidden_ids
from napari_sam2.session.results_file import ResultsFile
from napari_sam2.session.session_document import Document
from napari_sam2.session.session_file import brought_up_to_date, check_image, find_image, open_results

logger = logging.getLogger(__name__)

SHOWN_FIRST = ("voted", "anchor", "tracked", "outdated")
"""Of several records of an object on a frame the first of these kinds is shown, as
:meth:`~napari_sam2.session.objects.SessionObject.shown` does it."""


@dataclass(frozen=True)
class SavedSession:
    """What a session file says.

    Attributes
    ----------
    path : Path
        The file.
    document : Document
        What it says.
    stack : Stack
        The image; without pixels where it is not there.
    image_path : Path or None
        The file of the image; None where it is not there.
    """

    path: Path
    document: Document
    stack: Stack
    image_path: Path | None

    @classmethod
    def read(cls, path: Path, image_path: Path | None = None) -> SavedSession:
        """Read a session file; what was found is not read yet.

        Parameters
        ----------
        path : Path
            The JSON file.
        image_path : Path, optional
            The image, where it has been moved, or was no file. By default the one that the file names: if that is not there, or has
            changed, it is said why, and there is no image.

        Raises
        ------
        FileNotFoundError
            If the file, its results, or an image that was given are not there.
        ValueError
            If the file is damaged or open in a session, or an image that was given is another.
        """
        document = Document.read(path)
        results = open_results(path, to_read=True)
        try:
            document = brought_up_to_date(document, path, results)
        finally:
            results.close()
        try:
            found = find_image(path, document) if image_path is None else image_path
            arguments = document.source.arguments() | document.source.choice() | {"axes": document.image.axes}
            stack = Stack.open(found, **arguments)
            check_image(stack, document, path)
        except (OSError, ValueError) as error:
            if image_path is not None:
                raise
            without = "without the image there are no intensities, no movies, and no size of pixels but one that is given"
            logger.warning("%s; %s", error, without)
            return cls(path, document, document.blank_stack(), None)
        return cls(path, document, stack, found if isinstance(found, Path) else found[0])

    def result(self, calibration: Calibration) -> Result:
        """Read what was found, frame by frame, for export; what is shown is what the session showed.

        Parameters
        ----------
        calibration : Calibration
            Pixel size and time from frame to frame, which a session does not know.

        Raises
        ------
        FileNotFoundError
            If the results are not there any more.
        ValueError
            If the results are damaged, or open in a session.
        """
        infos = {object_id: item.info for object_id, item in self.document.objects.items()}
        writer = LabelWriter(self.stack)
        scores: dict[int, dict[int, ObjectScore]] = {object_id: {} for object_id in infos}
        results = open_results(self.path, to_read=True)
        with contextlib.closing(results), results.reading():
            for frame, shown in _shown(results):
                writer.write(frame, {object_id: record for object_id, record in shown.items() if not infos[object_id].is_hidden})
                for object_id, record in shown.items():
                    scores[object_id][frame] = ObjectScore(record.object_score, record.predicted_iou)
            for number, planes in results.read_label_planes().items():
                writer.write_place(self.stack.place_of_number(number), planes, hidden_ids(infos))
        return Result(
            writer.labels,
            self.stack.axes,
            calibration,
            parents={object_id: info.mother for object_id, info in infos.items() if info.mother is not None},
            stack=None if self.image_path is None else self.stack,
            image_path=self.image_path,
            scores=scores,
            names={object_id: info.name for object_id, info in infos.items()},
            colours={object_id: info.colour for object_id, info in infos.items() if info.colour is not None},
            intensity_ranges=self.document.settings.intensity_ranges,
        )


def _shown(results: ResultsFile) -> Iterator[tuple[int, dict[int, FrameRecord]]]:
    """Read frame by frame what is shown of each object."""
    for frame, rows in itertools.groupby(results.read_records(torch.device("cpu")), key=lambda row: row[0][2]):
        shown: dict[int, tuple[int, FrameRecord]] = {}
        for (object_id, kind, _), _, record in rows:
            if kind in SHOWN_FIRST:
                rank = SHOWN_FIRST.index(kind)
                if object_id not in shown or rank < shown[object_id][0]:
                    shown[object_id] = rank, record
        yield frame, {object_id: record for object_id, (_, record) in shown.items()}
