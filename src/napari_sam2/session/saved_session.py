"""A session file, read for its results: without its model, and without its image where that is not there."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.object_score import ObjectScore
from napari_sam2.session.labels.label_writer import LabelWriter
from napari_sam2.session.log.document import Document
from napari_sam2.session.log.reading import document_of
from napari_sam2.session.state.objects import SHOWN_KINDS, hidden_ids
from napari_sam2.session.store.database import Database, open_to_read
from napari_sam2.session.store.first_format import converted, is_first_format
from napari_sam2.session.store.found_files import check_image, find_image
from napari_sam2.session.store.values import unpack, unpack_header, unpack_record

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SavedSession:
    """What a session file holds.

    Attributes
    ----------
    path : Path
        The file.
    document : Document
        Its log.
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
        """Read a session file; its results are not read yet.

        Parameters
        ----------
        path : Path
            The file.
        image_path : Path, optional
            The image, where it has been moved, or was no file. By default the one that the file names: if that is not there, or has
            changed, there is no image, and the reason is logged as a warning.

        Raises
        ------
        FileNotFoundError
            If the file, or an image that was given, is not there.
        ValueError
            If the file is damaged, or an image that was given is another.
        OSError
            If the file may not be read, or the disk fails.
        ImportError
            If a package that reads an image that was given is missing.
        """
        with _opened(path) as database:
            document = document_of(database)
        header = document.header
        try:
            found = find_image(path, header) if image_path is None else image_path
            arguments = header.source.arguments() | header.source.choice() | {"axes": header.image.axes}
            stack = Stack.open(found, **arguments)
            check_image(stack, header, path)
        except (OSError, ValueError, ImportError) as error:
            if image_path is not None:
                raise
            without = "without the image there are no intensities, no movies, and no size of pixels but one that is given"
            logger.warning("%s; %s", error, without)
            return cls(path, document, header.blank_stack(), None)
        return cls(path, document, stack, found if isinstance(found, Path) else found[0])

    def result(self, calibration: Calibration) -> Result:
        """Read the results, frame by frame, for export; what is shown is what the session showed.

        Parameters
        ----------
        calibration : Calibration
            Pixel size and time from frame to frame, which a session does not hold.

        Raises
        ------
        FileNotFoundError
            If the file is not there any more.
        ValueError
            If it is damaged.
        """
        infos = {object_id: item.info for object_id, item in self.document.objects.items()}
        writer = LabelWriter(self.stack)
        scores: dict[int, dict[int, ObjectScore]] = {object_id: {} for object_id in infos}
        with _opened(self.path) as database, database.reading():
            for frame, shown in _shown(database):
                writer.write(frame, {object_id: record for object_id, record in shown.items() if not infos[object_id].is_hidden})
                for object_id, record in shown.items():
                    scores[object_id][frame] = ObjectScore(record.object_score, record.predicted_iou)
            query = "SELECT key, about, data FROM state JOIN stored ON value = id WHERE state.kind = 'planes'"
            for number, about, data in database.execute(query):
                planes = unpack("planes", about, data, f"position {number}")
                writer.write_position(self.stack.position_of_number(number), planes, hidden_ids(infos))
        return Result(
            writer.labels,
            self.stack.axes,
            calibration,
            lineage={object_id: info.parent for object_id, info in infos.items() if info.parent is not None},
            stack=None if self.image_path is None else self.stack,
            image_path=self.image_path,
            scores=scores,
            names={object_id: info.name for object_id, info in infos.items()},
            colours={object_id: info.colour for object_id, info in infos.items() if info.colour is not None},
            intensity_ranges=self.document.header.settings.intensity_ranges,
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Database]:
    """Open a session file to be read; of one of the first format, a copy in today's."""
    with contextlib.ExitStack() as stack:
        if is_first_format(path):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="napari-sam2-")))
            path = converted(path, folder / "converted.sam2")
        database = open_to_read(path)
        stack.callback(database.close)
        yield database


def _shown(database: Database) -> Iterator[tuple[int, dict[int, FrameRecord]]]:
    """Read frame by frame what is shown of each object."""
    shown: dict[int, dict[int, int]] = {}
    for kind in reversed(SHOWN_KINDS):  # the first of them counts
        for frame, object_id, row in database.execute("SELECT key, object, value FROM state WHERE kind = ?", (kind,)):
            shown.setdefault(frame, {})[object_id] = row
    for frame, rows in sorted(shown.items()):
        yield frame, {object_id: _record(database, row) for object_id, row in sorted(rows.items())}


def _record(database: Database, row: int) -> FrameRecord:
    ((about, data),) = database.execute("SELECT about, data FROM stored WHERE id = ?", (row,))
    return unpack_record(unpack_header(about), data)
