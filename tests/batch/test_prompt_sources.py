"""Prompts of a stack: from a label image, a session file, a prompts file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from batch_stacks import discs, write_stack
from blob_tracker import BlobTracker, tiny_model
from napari_sam2.batch.prompt_sources import SOURCES, PromptsOfFile, go_on, source_of
from napari_sam2.batch.settings import BatchSettings
from napari_sam2.batch.stacks import StackFile, find_stacks
from napari_sam2.export.ome_zarr import write_ome_zarr
from napari_sam2.export.result import Result
from napari_sam2.images.errors import FrameReadError
from napari_sam2.predictors import tracker
from napari_sam2.session.session import Session
from zarr_by_hand import image_by_hand

SETTINGS = BatchSettings("labels")
LABELS, SESSION = SOURCES["labels"], SOURCES["session"]


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


@pytest.fixture
def stack(tmp_path: Path) -> StackFile:
    write_stack(tmp_path / "a.tif")
    return find_stacks([tmp_path / "a.tif"])[0]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Where the session of a run goes."""
    (tmp_path / "results").mkdir()
    return tmp_path / "results" / "a.sam2"


def anchors(session: Session) -> dict[int, list[int]]:
    return {object_id: list(item.anchors) for object_id, item in session.objects.items()}


def test_labels_of_the_first_frame(stack: StackFile, saved: Path) -> None:
    with LABELS.begin(stack, SETTINGS, tiny_model(), saved) as session:
        assert anchors(session) == {1: [0], 2: [0]}
        assert session.saved_to == saved
        assert len(session.document().calls) == 1  # one action: all prompts are in the file, or none


def test_labels_on_several_frames_are_prompts_on_each(stack: StackFile, saved: Path, tmp_path: Path) -> None:
    labels = np.zeros_like(discs()[1])
    labels[0][discs()[1][0] == 1] = 7
    labels[5] = np.where(discs()[1][5] == 1, 7, 0) + np.where(discs()[1][5] == 2, 3, 0)
    tifffile.imwrite(tmp_path / "a.labels.tif", labels, photometric="minisblack", metadata={"axes": "TYX"})
    with LABELS.begin(stack, SETTINGS, tiny_model(), saved) as session:
        assert anchors(session) == {3: [5], 7: [0, 5]}


def test_labels_inside_an_ome_zarr(saved: Path, tmp_path: Path) -> None:
    movie, labels = discs()
    path = image_by_hand(tmp_path / "z.ome.zarr", movie, "0.4", "tyx")
    write_ome_zarr(path / "labels" / "nuclei", Result(labels, "TYX"))
    (stack,) = find_stacks([path])
    assert LABELS.files(stack) == [path / "labels"]
    with LABELS.begin(stack, SETTINGS, tiny_model(), saved) as session:
        assert anchors(session) == {1: list(range(8)), 2: list(range(8))}


def test_a_session_is_copied_and_stays_as_it_is(stack: StackFile, saved: Path, tmp_path: Path) -> None:
    with Session(tmp_path / "a.tif", model=tiny_model()) as session:
        session.save(tmp_path / "a.sam2")
        session.add_labels(discs()[1][0], 0)
        session.rename_object(1, "first")
    before = (tmp_path / "a.sam2").read_bytes()
    with SESSION.begin(stack, SETTINGS, tiny_model(), saved) as session:
        assert anchors(session) == {1: [0], 2: [0]}
        assert session.objects[1].info.name == "first"
        assert session.saved_to == saved
        session.propagate_all()
    assert (tmp_path / "a.sam2").read_bytes() == before
    with go_on(stack, SETTINGS, tiny_model(), saved) as session:
        assert session.plan() == []
    assert [path.name for path in saved.parent.iterdir()] == ["a.sam2"]


def test_one_prompts_file_for_all(stack: StackFile, saved: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.tif"
    tifffile.imwrite(mask, discs()[1][0], photometric="minisblack")
    prompts = tmp_path / "p.json"
    prompts.write_text(json.dumps({"prompts": [{"object": 4, "frame": 0, "mask": "mask.tif", "mask_label": 2}]}))
    source = source_of(str(prompts))
    assert source == PromptsOfFile(prompts)
    assert source.files(stack) == [prompts, mask]
    with source.begin(stack, SETTINGS, tiny_model(), saved) as session:
        assert anchors(session) == {4: [0]}


def test_what_is_not_there_is_said(stack: StackFile, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no session file .*a\.sam2"):
        SESSION.files(stack)
    (tmp_path / "a.labels.tif").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no label image .*a\.labels\.tif$"):
        LABELS.files(stack)
    for ending in (".tif", ".tiff"):
        (tmp_path / f"a.labels{ending}").write_bytes(b"")
    with pytest.raises(ValueError, match="which of them holds the prompts is not clear"):
        LABELS.files(stack)
    with pytest.raises(FileNotFoundError, match=r"there is no prompts file no\.json"):
        source_of("no.json").files(stack)
    with pytest.raises(ValueError, match=r"prompts come from labels, session, everything, or a prompts file that ends"):
        source_of("all")


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.zeros((64, 64), np.uint8), "holds no label"),
        (np.ones((3, 64, 64), np.uint8), "holds 3 frames of 64 x 64 pixels, but .*a.tif holds 8 frames"),
        (np.ones((32, 64), np.uint8), "holds 1 frame of 32 x 64 pixels"),
    ],
)
def test_labels_that_do_not_fit_leave_nothing(
    labels: np.ndarray, sentence: str, stack: StackFile, saved: Path, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.labels.tif", labels, photometric="minisblack")
    with pytest.raises(ValueError, match=sentence):
        LABELS.begin(stack, SETTINGS, tiny_model(), saved)
    assert list(saved.parent.iterdir()) == []


def test_where_the_disk_fails_nothing_is_left(stack: StackFile, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FrameReadError("frame 0 cannot be read")

    monkeypatch.setattr(BlobTracker, "segment", fail)
    with pytest.raises(FrameReadError):
        LABELS.begin(stack, SETTINGS, tiny_model(), saved)
    assert list(saved.parent.iterdir()) == []
