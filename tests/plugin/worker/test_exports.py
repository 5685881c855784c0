from pathlib import Path

import numpy as np
import pytest
import tifffile

from blob_tracker import blob_session
from napari_sam2.images.calibration import Calibration
from napari_sam2.plugin.worker.exports import (
    DocumentExport,
    Exported,
    ExportProgress,
    ResultExport,
    Script,
    document_formats,
    read_script,
    result_formats,
    shown_ending,
    with_ending,
)
from wheels import needs_geff

MICRONS = Calibration(0.5, 0.5, None, 60, "micrometer", "second")


@pytest.fixture
def session(blobs):
    session = blob_session(blobs, "TYX")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.propagate_all()
    return session


class Reports(list):
    def __init__(self, stop_after=None):
        super().__init__()
        self.stop_after = stop_after

    def __call__(self, item):
        self.append(item)
        return self.stop_after is None or len(self) <= self.stop_after


def test_endings():
    endings = {item.ending: shown_ending(item) for item in (*result_formats(), *document_formats())}
    assert endings["_res"] == "_RES"
    assert {".ome.tif", ".zarr", ".csv", ".geff", ".gif", ".txt", ".py", ".json"} <= set(endings)
    by_ending = {item.ending: item for item in result_formats()}
    assert with_ending(Path("a/b"), by_ending[".tracks.csv"]) == Path("a/b.tracks.csv")
    assert with_ending(Path("a/b.csv"), by_ending[".csv"]) == Path("a/b.csv")
    assert with_ending(Path("a/b.TIFF"), by_ending[".tif"]) == Path("a/b.TIFF")
    assert with_ending(Path("a/01"), by_ending["_res"]) == Path("a/01_RES")


def test_results_with_progress(session, tmp_path, blobs, monkeypatch):
    monkeypatch.setattr("napari_sam2.plugin.worker.exports._REPORTED_EACH_S", 0)
    reports = Reports()
    ResultExport(tmp_path / "a.ome.tif", MICRONS)(session, reports)
    assert reports == [*(ExportProgress(done, 3) for done in range(3)), Exported(tmp_path / "a.ome.tif")]
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        np.testing.assert_array_equal(file.asarray(), blobs == 200)
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata


@needs_geff
@pytest.mark.parametrize("ending", [item.ending for item in result_formats() if item.takes_time])
def test_stopped_nothing_is_left_of_it(session, tmp_path, ending):
    reports = Reports(stop_after=0)
    ResultExport(tmp_path / f"a{ending}".replace("_res", "_RES"), MICRONS)(session, reports)
    assert len(reports) == 1
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_format(session, tmp_path):
    from PIL import Image

    ResultExport(tmp_path / "a.gif", MICRONS, {"frames_per_second": 20.0})(session, Reports())
    with Image.open(tmp_path / "a.gif") as movie:
        assert movie.info["duration"] == 50


def test_what_cannot_be_written_is_one_sentence(session, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"^there is no folder .* to write a\.csv to$"):
        ResultExport(tmp_path / "none" / "a.csv", MICRONS)(session, Reports())
    session.save(tmp_path / "a.sam2")
    with pytest.raises(ValueError, match=r"a\.sam2 is an input: give the output another name"):
        ResultExport(tmp_path / "a.sam2", MICRONS)(session, Reports())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"a\.geff needs an extra: pip install 'napari-sam2\[export\]'"):
        ResultExport(tmp_path / "a.geff", MICRONS)(session, Reports())
    assert all(path.name.startswith("a.sam2") for path in tmp_path.iterdir())


def test_the_log_and_the_script(session, tmp_path, blobs):
    reports = Reports()
    script = next(item for item in document_formats() if item.ending == ".py")
    DocumentExport(tmp_path / "a.py", script)(session, reports)
    read_script(session, reports)
    assert reports == [Exported(tmp_path / "a.py"), Script(session.to_script())]
    assert (tmp_path / "a.py").read_text() == session.to_script()
