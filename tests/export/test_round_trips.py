"""What is exported is read whole by the program it is meant for: by that side's own reader, for every format that others read.

Each test exports the same result, a division, a gap and a lone object among it, and finds in what comes back every object, on every
frame, at its place.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pytrackmate
import roifile
import tifffile
import zarr
from ctc_metrics.scripts.evaluate import evaluate_sequence
from napari_ome_zarr import napari_get_reader
from ome_zarr_models import open_ome_zarr
from pycocotools.coco import COCO
from skimage.draw import polygon2mask

from clean_environments import make_environment, outside
from dividing_cells import LABELS, LINKS, PARENTS, PLACES, SEEN, UNITS
from napari_sam2.export.formats import write_result
from napari_sam2.export.result import Result
from napari_sam2.images.label_images import open_labels
from wheels import needs_geff

NAMES = {7: "mother", 8: "left"}
RESULT = Result(LABELS, "TYX", UNITS, PARENTS, names=NAMES, colours={7: "#ff8000"})
Nodes = set[tuple[int, int, float, float]]
"""Object, frame, row and column of the centre."""
EXPECTED: Nodes = {(i, t, *map(float, PLACES[i])) for i, t in SEEN}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Other programs print what they do, and warn of what is theirs."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@needs_geff
def test_geff_by_geff(tmp_path: Path) -> None:
    import geff

    write_result(tmp_path / "a.geff", RESULT)
    graph, metadata = geff.read(tmp_path / "a.geff", structure_validation=True)
    nodes = {number: (told["object_id"], told["t"], told["y"], told["x"]) for number, told in graph.nodes(data=True)}
    assert set(nodes.values()) == EXPECTED
    assert {(nodes[a][:2], nodes[b][:2]) for a, b in graph.edges} == LINKS
    assert [(axis.name, axis.type, axis.scale, axis.scaled_unit) for axis in metadata.axes] == [
        ("t", "time", 3.0, "second"),
        ("y", "space", 0.5, "micrometer"),
        ("x", "space", 0.25, "micrometer"),
    ]


def test_ctc_by_py_ctcmetrics(tmp_path: Path) -> None:
    """Against a reference made of the same masks and tracks, all its scores are perfect."""
    write_result(tmp_path / "01_RES", RESULT)
    reference = tmp_path / "01_GT"
    for folder, prefix in (("TRA", "man_track"), ("SEG", "man_seg")):
        (reference / folder).mkdir(parents=True)
        for mask in sorted((tmp_path / "01_RES").glob("mask*.tif")):
            shutil.copy(mask, reference / folder / mask.name.replace("mask", prefix))
    shutil.copy(tmp_path / "01_RES/res_track.txt", reference / "TRA/man_track.txt")
    with quiet():
        scores = evaluate_sequence(str(tmp_path / "01_RES"), str(reference), ["Valid", "DET", "SEG", "TRA", "CT", "TF"], threads=1)
    assert {name: scores[name] for name in ("Valid", "DET", "SEG", "TRA", "CT", "TF")} == pytest.approx(
        {"Valid": 1, "DET": 1, "SEG": 1, "TRA": 1, "CT": 1, "TF": 1}
    )


def test_trackmate_by_pytrackmate(tmp_path: Path) -> None:
    write_result(tmp_path / "a.xml", RESULT)
    spots = pytrackmate.trackmate_peak_import(tmp_path / "a.xml", get_tracks=True)
    found = {(int(row.t_stamp), row.y / UNITS.y, row.x / UNITS.x) for row in spots.itertuples()}
    assert found == {(t, y, x) for _, t, y, x in EXPECTED}
    assert (spots.t == spots.t_stamp * UNITS.t).all()
    families = {frozenset(zip(group.t_stamp.astype(int), group.y / UNITS.y, strict=True)) for _, group in spots.groupby("label")}
    in_family = {(t, float(PLACES[i][0])) for i, t in SEEN if i != 3}
    assert families == {frozenset(in_family), frozenset({(1, 10.0)})}, "the division is one track, the lone object another"


def written_image(path: Path) -> None:
    """An OME-Zarr image with these axes, to which labels are added."""
    group = zarr.open_group(path, mode="w")
    group.create_array("0", data=LABELS)
    units = {"t": ("time", "second", 3.0), "y": ("space", "micrometer", 0.5), "x": ("space", "micrometer", 0.25)}
    axes = [{"name": name, "type": kind, "unit": unit} for name, (kind, unit, _) in units.items()]
    scale = [{"type": "scale", "scale": [step for *_, step in units.values()]}]
    dataset = {"path": "0", "coordinateTransformations": scale}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"name": "movie", "axes": axes, "datasets": [dataset]}]}


def test_ome_zarr_by_napari_ome_zarr(tmp_path: Path) -> None:
    """The reader of napari opens the image with the labels that were added to it, in the same place and colours."""
    written_image(tmp_path / "movie.ome.zarr")
    write_result(tmp_path / "movie.ome.zarr/labels/nuclei", RESULT)
    with quiet():
        layers = napari_get_reader(str(tmp_path / "movie.ome.zarr"))()
    (image, shown, _), (labels, options, _) = layers
    assert [kind for *_, kind in layers] == ["image", "labels"]
    np.testing.assert_array_equal(np.asarray(labels[0]), LABELS)
    assert list(options["scale"]) == list(shown["scale"]) == [3.0, 0.5, 0.25]
    assert np.asarray(image[0]).shape == LABELS.shape
    np.testing.assert_allclose(options["colormap"][7], [1, 128 / 255, 0, 1], atol=1 / 255)


def test_ome_zarr_by_ome_zarr_models(tmp_path: Path) -> None:
    write_result(tmp_path / "a.zarr", RESULT)
    found = open_ome_zarr(zarr.open_group(tmp_path / "a.zarr", mode="r"), version="0.5")
    assert type(found).__name__ == "ImageLabel"
    (multiscale,) = found.ome_attributes.multiscales
    assert [(axis.name, axis.unit) for axis in multiscale.axes] == [("t", "second"), ("y", "micrometer"), ("x", "micrometer")]


def test_imagej_tiff_by_tifffile(tmp_path: Path) -> None:
    """And by us: what comes back has the axes, the sizes of pixels and the time between frames."""
    write_result(tmp_path / "a.tif", RESULT)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_imagej
        told = file.imagej_metadata
        assert told is not None
        assert (told["frames"], told["finterval"], told["unit"]) == (6, 3.0, "micron")
        assert file.series[0].axes == "TYX"
        np.testing.assert_array_equal(file.asarray(), LABELS)
    ours = open_labels(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.asarray(ours.frames), LABELS)
    assert (ours.axes, ours.calibration.y, ours.calibration.x, ours.calibration.t) == ("TYX", 0.5, 0.25, 3.0)


def test_ome_tiff_by_tifffile(tmp_path: Path) -> None:
    write_result(tmp_path / "a.ome.tif", RESULT)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert file.is_ome
        assert file.series[0].axes == "TYX"
        np.testing.assert_array_equal(file.asarray(), LABELS)


def test_rois_by_roifile(tmp_path: Path) -> None:
    write_result(tmp_path / "a.roi.zip", RESULT)
    found = np.zeros_like(LABELS)
    for roi in roifile.roiread(tmp_path / "a.roi.zip"):
        found[roi.position - 1][polygon2mask(LABELS.shape[1:], roi.coordinates()[:, ::-1] - 0.5)] = int(roi.name.split()[0])
    np.testing.assert_array_equal(found, LABELS)


def test_coco_by_pycocotools(tmp_path: Path) -> None:
    write_result(tmp_path / "a.coco.json", RESULT)
    found = np.zeros_like(LABELS)
    with quiet():
        read_back = COCO(str(tmp_path / "a.coco.json"))
        for annotation in read_back.loadAnns(read_back.getAnnIds()):
            frame = read_back.imgs[annotation["image_id"]]["frame"]
            found[frame][read_back.annToMask(annotation).astype(bool)] = annotation["track_id"]
    np.testing.assert_array_equal(found, LABELS)


IN_ANOTHER_ENVIRONMENT = """
import json, sys, warnings
warnings.simplefilter("ignore")
warnings.filterwarnings("error", message="Found node_id 0")
folder = sys.argv[1]

from funtracks.import_export import import_from_geff  # the tracks of napari-track-edit and motile
tracks = import_from_geff(folder + "/a.geff", {"time": "t", "y": "y", "x": "x", "object_id": "object_id"})
node = {int(n): (int(tracks.get_time(n)), *map(float, tracks.get_position(n))) for n in tracks.nodes()}
links = sorted([node[a], node[b]] for a, b in tracks.graph_solution.edge_list())

from traccuracy.loaders import load_ctc_data
from traccuracy.matchers import CTCMatcher
from traccuracy.metrics import CTCMetrics
from traccuracy import run_metrics
data = [load_ctc_data(folder + "/01_RES", folder + "/01_RES/res_track.txt", name=name) for name in ("truth", "result")]
(scores,), _ = run_metrics(*data, CTCMatcher(), [CTCMetrics()])
print(json.dumps({"nodes": sorted(node.values()), "links": links, "scores": scores["results"]}))
"""


@needs_geff
@pytest.mark.slow
def test_tracks_by_funtracks_and_traccuracy(tmp_path: Path) -> None:
    """The tracks of napari-track-edit and motile, in calibrated units; in an environment of their own, since they need much."""
    write_result(tmp_path / "a.geff", RESULT)
    write_result(tmp_path / "01_RES", RESULT)
    python = make_environment(tmp_path / "environment", "funtracks", "traccuracy")
    done = subprocess.run([python, "-c", IN_ANOTHER_ENVIRONMENT, tmp_path], capture_output=True, text=True, env=outside())
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    place = {(i, t): [t, PLACES[i][0] * UNITS.y, PLACES[i][1] * UNITS.x] for i, t in SEEN}
    assert told["nodes"] == sorted(place.values())
    assert told["links"] == sorted([place[a], place[b]] for a, b in LINKS)
    assert told["scores"]["TRA"] == told["scores"]["DET"] == 1
