from pathlib import Path

import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.session.document_formats import DOCUMENT_FORMATS
from napari_sam2.session.log.document import Document
from napari_sam2.session.methods import methods_paragraph


@pytest.fixture(scope="module")
def document() -> Document:
    movie = np.zeros((2, 20, 30), np.uint8)
    movie[:, 4:9, 4:12] = 200
    session = blob_session(movie, "TYX")
    session.add_points(session.add_object(), 0, [(5, 5)])
    session.propagate_all()
    return session.document()


@pytest.mark.parametrize("item", DOCUMENT_FORMATS, ids=lambda item: item.ending)
def test_written_whole_or_not_at_all(item, document, tmp_path: Path) -> None:
    path = tmp_path / f"cells{item.ending}"
    path.write_text("before")
    item.write(path, document)
    text = path.read_text(encoding="utf-8")
    if item.ending == ".txt":
        assert text == methods_paragraph(document) + "\n"
    elif item.ending == ".py":
        assert "session.add_points(object_id=1, frame=0" in text
        compile(text, "cells.py", "exec")
    else:
        assert Document.read(path) == document
    with pytest.raises(ValueError, match="there is no folder"):
        item.write(tmp_path / "none" / path.name, document)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_methods_paragraph_needs_a_prompt(tmp_path: Path) -> None:
    empty = blob_session(np.zeros((2, 20, 30), np.uint8), "TYX").document()
    with pytest.raises(ValueError, match="no object was prompted"):
        DOCUMENT_FORMATS[0].write(tmp_path / "m.txt", empty)
    assert list(tmp_path.iterdir()) == []
