import csv
import errno

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers._source import layer_source

from napari_sam2.images.calibration import Calibration
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.files.session_output import NOTHING, SessionOutput
from napari_sam2.plugin.prompts.object_commands import ColourObject, DivideObject
from napari_sam2.plugin.worker.exports import document_formats, result_formats
from phantoms import GEOMETRIES, organs, write_dicom
from wheels import needs_geff, needs_highdicom
from widget_driving import LateRunner, click, expected, labels

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)


@pytest.fixture
def output(controller, viewer):
    output = SessionOutput(controller, viewer)
    yield output
    output.close()


@pytest.fixture
def tracked(controller):
    click(controller, SQUARE)
    controller.choose_object(2)
    click(controller, MOVING)
    controller.propagate()
    return controller


# --- exports -------------------------------------------------------------------------------------------------------


def test_an_export_in_the_units_of_the_layer(output, tracked, texts, tmp_path, blobs):
    progress = []
    tracked.progressed.connect(lambda done, total: progress.append((done, total)))
    output.export(tmp_path / "a.ome.tif")
    assert texts[-1] == f"a.ome.tif is written to {tmp_path}."
    assert progress[0] == (0, 3)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.ome.tif"), expected(blobs, object_1=range(3), object_2=range(3)))
    output.export(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert [(row["time_s"], row["area_um2"]) for row in rows[:3]] == [(str(t), "12.5") for t in (0, 60, 120)]


def test_everything_of_the_menu_is_written(output, tracked, tmp_path):
    formats = [item for item in result_formats() if not output.refusal(item)]
    for item in formats:
        output.export(tmp_path / f"a{item.ending.replace('_res', '_RES')}")
    for item in document_formats():
        output.export_document(tmp_path / f"a{item.ending}", item)
    endings = {item.ending.replace("_res", "_RES") for item in (*formats, *document_formats())}
    assert {path.name for path in tmp_path.iterdir()} == {f"a{ending}" for ending in endings}


def test_nothing_to_export(output, controller, texts, tmp_path, notices):
    output.export(tmp_path / "a.tif")
    output.copy_script(lambda text: pytest.fail("nothing is copied"))
    output.show_tracks()
    output.save_as(tmp_path / "a.sam2")
    assert [text for _, text in notices()] == [NOTHING] * 4
    assert texts[-1] == NOTHING
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_is_one_sentence_and_the_widget_goes_on(output, tracked, texts, tmp_path, notices):
    output.export(tmp_path / "none" / "a.tif")
    assert texts[-1] == f"There is no folder {tmp_path / 'none'} to write a.tif to."
    assert notices() == [("warning", texts[-1])]
    output.export(tmp_path / "a.tif")
    assert texts[-1] == f"a.tif is written to {tmp_path}."


def test_a_disk_that_is_full_is_one_sentence(output, tracked, texts, tmp_path, notices, monkeypatch):
    def no_room(path, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("napari_sam2.export.tiff.tifffile.imwrite", no_room)
    output.export(tmp_path / "a.tif")
    assert texts[-1] == f"{tmp_path / 'a.tif'} cannot be written: the disk is full."
    assert notices() == [("warning", texts[-1])]
    assert list(tmp_path.iterdir()) == []


@needs_geff
@needs_highdicom
def test_refusals_before_a_file_is_asked_for(output, tracked, opener, blobs, monkeypatch):
    by_ending = {item.ending: item for item in (*result_formats(), *document_formats())}
    assert [ending for ending, item in by_ending.items() if output.refusal(item)] == [".dcm", ".mrc"]  # for volumes alone
    viewer = ViewerModel()
    viewer.add_image(blobs, axis_labels=("z", "y", "x"))
    volume = Controller(viewer, opener=opener)
    click(volume, SQUARE)
    of_volume = SessionOutput(volume, viewer)
    assert of_volume.refusal(by_ending["_res"]) == "_RES: tracks for the Cell Tracking Challenge (a folder) need a time axis T"
    assert of_volume.refusal(by_ending[".dcm"]) == ".dcm: a DICOM segmentation needs the DICOM files that the image was read from"
    assert of_volume.refusal(by_ending[".tif"]) == of_volume.refusal(by_ending[".mrc"]) == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert output.refusal(by_ending[".geff"]) == ".geff needs an extra: pip install 'napari-sam2[export]'"


def test_esc_stops_an_export_and_leaves_nothing(viewer, opener, tmp_path):
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    output, texts = SessionOutput(controller, viewer), []
    controller.status_changed.connect(texts.append)
    runner.finish()
    click(controller, SQUARE)
    runner.finish()
    output.export(tmp_path / "a.tif")
    assert texts[-1] == "Exporting a.tif …"
    assert controller.is_busy
    controller.cancel()
    runner.finish()
    assert texts[-1] == "Stopped. Nothing was written."
    assert list(tmp_path.iterdir()) == []
    assert controller.is_idle


def test_an_export_waits_for_a_propagation(viewer, opener, tmp_path):
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    output, texts = SessionOutput(controller, viewer), []
    controller.status_changed.connect(texts.append)
    runner.finish()
    click(controller, SQUARE)
    runner.finish()
    controller.propagate()
    output.export(tmp_path / "a.tif")
    assert texts[-1] == "Exporting a.tif … That begins when what is running is done."
    runner.finish()
    assert texts[-1] == f"a.tif is written to {tmp_path}."
    assert (tifffile.imread(tmp_path / "a.tif").reshape(3, -1) == 1).any(axis=1).all(), "all frames that were propagated to"


def test_the_script_makes_the_same_labels(output, tracked, texts, blobs):
    copied = []
    output.copy_script(copied.append)
    assert copied == [tracked.session.to_script()]
    count = len(copied[0].splitlines())
    assert texts[-1] == f"A Python script of {count} lines that makes the same labels is on the clipboard."


# --- saved under a name --------------------------------------------------------------------------------------------


def test_beside_the_image(blobs, keeping, kept, tmp_path):
    movie = tmp_path / "my movie.tif"
    tifffile.imwrite(movie, blobs, photometric="minisblack")
    viewer = ViewerModel()
    with layer_source(path=str(movie)):
        viewer.add_image(blobs, name="movie")
    controller = Controller(viewer, opener=keeping)
    output = SessionOutput(controller, viewer)
    click(controller, SQUARE)
    assert output.path_beside_image == tmp_path / "my movie.sam2"
    (tmp_path / "my movie.sam2").write_text("of somebody else")
    assert output.path_beside_image == tmp_path / "my movie-2.sam2"
    output.save_as(output.path_beside_image)
    assert controller.session.saved_to == controller.workspace.kept.saved_to == tmp_path / "my movie-2.sam2"
    assert output.path_beside_image is None, "it is there already"
    assert [one.path for one in kept.sessions()] == [tmp_path / "my movie-2.sam2"]
    assert (tmp_path / "my movie.sam2").read_text() == "of somebody else"


def test_an_image_without_a_file_has_no_beside(output, tracked):
    assert output.path_beside_image is None


@needs_highdicom
@pytest.mark.usefixtures("found_plugins")
def test_an_image_of_a_patient_is_saved_under_the_name_of_its_layer(keeping, tmp_path):
    write_dicom(tmp_path / "jane_doe", organs(), GEOMETRIES["straight"])
    viewer = ViewerModel()
    (layer,) = viewer.open(str(tmp_path / "jane_doe"), plugin="napari-sam2")
    controller = Controller(viewer, opener=keeping)
    output = SessionOutput(controller, viewer)
    viewer.dims.set_point(0, layer.data_to_world((3, 11, 8))[0])
    click(controller, (3, 11, 8))
    assert output.path_beside_image == tmp_path / "CT 3.sam2"
    assert [output.refusal(item) for item in result_formats() if item.ending in (".dcm", ".nii.gz")] == ["", ""]


def test_formats_that_cannot_be_are_refused_with_a_reason(output, tracked):
    refused = {item.ending: output.refusal(item) for item in result_formats()}
    assert refused[".dcm"] == ".dcm: a DICOM segmentation can be of an image or a volume, not of several in time"
    assert refused[".mrc"] == ".mrc: labels as MRC can be of an image or a volume, not of several in time"
    assert refused[".nii.gz"] == refused[".tif"] == ""


# --- tracks and table ----------------------------------------------------------------------------------------------


def test_tracks_are_kept_in_step(output, tracked, viewer):
    output.show_tracks()
    layer = viewer.layers["movie – tracks"]
    assert len(layer.data) == 6
    tracked.edit_objects(DivideObject(1, 2))
    tracked.choose_object(3)
    click(tracked, (2, 10, 10))
    assert layer.graph == {3: [1]}
    np.testing.assert_array_equal(np.unique(layer.data[:, 0]), [1, 2, 3])
    tracked.edit_objects(ColourObject(2, "#ff0000"))
    np.testing.assert_array_equal(layer.track_colors[layer.data[:, 0] == 2, :3], [(1, 0, 0)] * 3)
    tracked.undo()
    tracked.undo()
    tracked.undo()
    assert layer.graph == {}
    viewer.layers.remove(layer)
    tracked.redo()
    assert "movie – tracks" not in viewer.layers
    output.show_tracks()
    assert viewer.layers["movie – tracks"].graph == {}


def test_what_the_console_did_is_in_the_tracks(viewer, opener):
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    output = SessionOutput(controller, viewer)
    runner.finish()
    for object_id, position in enumerate((SQUARE, MOVING), 1):
        controller.choose_object(object_id)
        click(controller, position)
        runner.finish()
    output.show_tracks()
    runner.finish()
    np.testing.assert_array_equal(np.unique(viewer.layers["movie – tracks"].data[:, 0]), [1, 2])
    controller.session.remove_object(1)
    runner.finish()
    np.testing.assert_array_equal(np.unique(viewer.layers["movie – tracks"].data[:, 0]), [2])


def test_no_tracks_without_time(opener, blobs, notices):
    for axes, what in ((("z", "y", "x"), "a volume"), (("y", "x"), "a single image")):
        viewer = ViewerModel()
        viewer.add_image(blobs if len(axes) == 3 else blobs[0], axis_labels=axes)
        controller = Controller(viewer, opener=opener)
        click(controller, SQUARE[-len(axes) :])
        SessionOutput(controller, viewer).show_tracks()
        assert notices()[-1] == ("warning", f"Tracks go through time, and this is {what}.")
        assert len(viewer.layers) == 3


def test_the_table_is_measured_while_it_is_wanted(output, tracked, viewer):
    heard = []
    output.changed.connect(lambda: heard.append(output.measured))
    assert output.measured is None
    output.is_table_wanted = True
    assert output.measured.table["object_id"].tolist() == [1, 1, 1, 2, 2, 2]
    assert output.measured.table["area_um2"].tolist() == [12.5] * 3 + [12.0] * 3
    tracked.undo()
    assert output.measured.table["frame"].tolist() == [0, 0]
    viewer.layers["movie"].scale = (60, 1, 1)
    tracked.choose_object(1)
    assert output.calibration == Calibration(1, 1, None, 60, "micrometer", "second")
    assert output.measured.table["area_um2"].tolist() == [100, 96]
    before = len(heard)
    output.is_table_wanted = False
    tracked.redo()
    assert len(heard) == before
    output.show_tracks()
    assert output.measured.table == {}, "for tracks alone no table is made"
    output.is_table_wanted = True
    assert len(output.measured.table["frame"]) == 6


def test_each_image_has_its_own(output, tracked, viewer, blobs):
    output.is_table_wanted = True
    first = output.measured
    other = viewer.add_image(blobs[:2], name="other")
    tracked.choose_image(other)
    assert output.measured is None
    click(tracked, SQUARE)
    assert len(output.measured.table["frame"]) == 1
    tracked.choose_image(viewer.layers["movie"])
    assert output.measured is first
    viewer.layers.remove("movie")
    assert len(labels(tracked)) == 2
    assert len(output.measured.table["frame"]) == 1
