import threading

import napari
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers._source import layer_source

from blob_tracker import blob_session
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.files.session_files import get_reader, open_layers, read_session, write_session
from napari_sam2.plugin.image.layer_file import FILE_KEY
from napari_sam2.plugin.layers.session_layers import SESSION_KEY
from napari_sam2.plugin.sessions.autosave import KeptSessions
from napari_sam2.session.session import Session
from napari_sam2.session.store.file_lock import is_locked
from phantoms import GEOMETRIES, write_nrrd
from widget_driving import check_agreement, click, expected, labels

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)


@pytest.fixture
def movie(tmp_path, blobs):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, blobs, photometric="minisblack", metadata={"axes": "TYX"})
    return path


@pytest.fixture
def saved(tmp_path, movie, opener):
    """A session on a file, saved beside it, as at the console."""
    session = Session(movie, "TYX", opener.load("micro"))
    session.save(tmp_path / "cells.sam2")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.propagate_all()
    session.close()
    return tmp_path / "cells.sam2"


def add(viewer, layers):
    return [viewer._add_layer_from_data(data, {**attributes}, kind)[0] for data, attributes, kind in layers]


def test_which_files_are_read():
    assert get_reader("/a/b.sam2") is read_session
    assert get_reader("C:\\B.SAM2") is read_session
    for path in ("/a/b.tif", "/a/b.sam2.json", ["/a/b.sam2"]):
        assert get_reader(path) is None


# --- opened --------------------------------------------------------------------------------------------------------


def test_image_and_labels_without_the_widget(saved, blobs):
    (pixels, shown, kind), (found, attributes, labels_kind) = read_session(str(saved))
    assert (kind, labels_kind, shown["name"], shown["rgb"]) == ("image", "labels", "movie", False)
    np.testing.assert_array_equal(pixels, blobs)
    np.testing.assert_array_equal(found, expected(blobs, object_1=range(3)))
    assert attributes["metadata"] == shown["metadata"] == {SESSION_KEY: str(saved)}
    assert attributes["axis_labels"] == shown["axis_labels"] == ("t", "y", "x")
    assert not is_locked(saved)


def test_a_volume_in_a_patient_lies_where_it_did(tmp_path, blobs, opener):
    write_nrrd(tmp_path / "v.nrrd", blobs, GEOMETRIES["oblique"])
    session = Session(tmp_path / "v.nrrd", model=opener.load("micro"), keep_path=True)
    session.save(tmp_path / "cells.sam2")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.close()
    (_, shown, _), _ = read_session(str(tmp_path / "cells.sam2"))
    known = shown["metadata"][FILE_KEY]
    assert (known.letters, known.geometry, known.is_private) == (("Z", "Y", "X"), session.stack.geometry, True)
    np.testing.assert_allclose(shown["scale"], GEOMETRIES["oblique"].spacing)


def test_an_image_of_a_patient_is_not_named(tmp_path, blobs, opener):
    write_nrrd(tmp_path / "jane.nrrd", blobs, GEOMETRIES["oblique"])
    session = Session(tmp_path / "jane.nrrd", model=opener.load("micro"))
    session.save(tmp_path / "cells.sam2")
    session.close()
    opened = open_layers(tmp_path / "cells.sam2", ())
    assert opened.problem == "The image of cells.sam2 is of a patient, and not named in it"
    assert not opened.is_image_a_file


def test_a_compressed_image(tmp_path, blobs, opener):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, blobs, photometric="minisblack", metadata={"axes": "TYX"}, compression="zlib")
    session = Session(path, "TYX", opener.load("micro"))
    session.save(tmp_path / "cells.sam2")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.close()
    (pixels, _, _), _ = read_session(str(tmp_path / "cells.sam2"))
    np.testing.assert_array_equal(pixels, blobs)


def test_scale_and_units_are_those_of_the_file(tmp_path, blobs, opener):
    path = tmp_path / "movie.ome.tif"
    size = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    time = {"TimeIncrement": 90, "TimeIncrementUnit": "s"}
    tifffile.imwrite(path, blobs, photometric="minisblack", metadata={"axes": "TYX", **size, **time})
    session = Session(path, model=opener.load("micro"))
    session.save(tmp_path / "cells.sam2")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.close()
    viewer = ViewerModel()
    for layer in add(viewer, read_session(str(tmp_path / "cells.sam2"))):
        np.testing.assert_array_equal(layer.scale, (90, 0.5, 0.25))
        assert [str(unit) for unit in layer.units] == ["second", "micrometer", "micrometer"]


def test_labels_are_left_to_the_widget(saved, blobs):
    _, (empty, _, _) = open_layers(saved, (), has_labels=False).layers
    assert (empty.shape, empty.dtype, empty.any()) == (blobs.shape, np.uint16, False)


@pytest.mark.parametrize("is_widget_first", [True, False])
def test_the_widget_goes_on_with_it(saved, blobs, keeping, kept, is_widget_first):
    viewer = ViewerModel()
    layers = read_session(str(saved))
    if is_widget_first:
        controller = Controller(viewer, opener=keeping)
        add(viewer, layers)
    else:
        add(viewer, layers)
        controller = Controller(viewer, opener=keeping)
    assert controller.session.saved_to == saved
    assert [layer.name for layer in viewer.layers] == ["movie", "cells – objects", "movie – clicks"]
    check_agreement(controller)
    click(controller, MOVING)
    controller.undo()
    controller.undo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    assert [one.path for one in kept.sessions()] == [saved], "it is saved where it was, and is found again"
    assert kept.total_bytes() < 300
    controller.close()
    assert not is_locked(saved)


def test_the_image_is_in_the_viewer_and_worked_on(saved, blobs, keeping, kept, monkeypatch):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 40, 50)), name="other")
    viewer.add_image(blobs[:, None], name="mine", scale=(2, 1, 3, 3))
    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    controller = Controller(viewer, opener=keeping)
    click(controller, (0, 0, 24, 35))
    earlier = controller.session.saved_to
    layers = read_session(str(saved))
    ((data, attributes, _),) = layers
    assert data.shape == (3, 1, 40, 50)
    assert tuple(attributes["scale"]) == (2, 1, 3, 3)
    add(viewer, layers)
    assert controller.image is viewer.layers["mine"]
    assert controller.session.saved_to == saved
    np.testing.assert_array_equal(controller.session.labels, expected(blobs, object_1=range(3)))
    assert {one.path for one in kept.sessions()} == {earlier, saved}, "what was open is kept"
    assert not is_locked(earlier)
    assert [layer.name for layer in viewer.layers] == ["other", "mine", "cells – objects", "mine – clicks"]


@pytest.mark.parametrize("how", ["gone", "changed", "an array"])
def test_without_its_image_there_are_labels_and_a_sentence(saved, movie, blobs, notices, how, tmp_path):
    if how == "gone":
        movie.unlink()
    elif how == "changed":
        tifffile.imwrite(movie, 255 - blobs, photometric="minisblack", metadata={"axes": "TYX"})
    else:
        session = blob_session(blobs, "TYX")
        session.save(saved)
        session.add_points(session.add_object(), 0, [(10, 10)])
        session.close()
    ((data, _, kind),) = read_session(str(saved))
    assert kind == "labels"
    assert data[0].any()
    ((_, text),) = notices()
    where = " was no file" if how == "an array" else f", {movie}, is not there, or has changed"
    choose = "" if how == "an array" else "; or choose Sessions › Find the image in the dock"
    again = f"open the image, then cells.sam2 again, to go on with the session{choose}."
    assert text == f"The image of cells.sam2{where}: {again}"


@pytest.mark.parametrize(
    ("content", "part"), [(None, "there is no session file"), (b"", "is not a session file"), (b"junk" * 99, "is not a session")]
)
def test_files_that_cannot_be_read(tmp_path, content, part):
    path = tmp_path / "x.sam2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=part):
        read_session(str(path))


# --- saved ---------------------------------------------------------------------------------------------------------


def write(layer, path):
    data, attributes, _ = layer.as_layer_data_tuple()
    return write_session(str(path), data, attributes)


def test_the_session_of_a_layer_is_saved_and_goes_on_there(viewer, keeping, kept, tmp_path, blobs):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    path = tmp_path / "mine.sam2"
    assert write(viewer.layers["movie – objects"], path) == [str(path)]
    assert controller.session.saved_to == path
    assert [one.path for one in kept.sessions()] == [path], "it is found there"
    click(controller, (1, 10, 10))
    controller.close()
    later = ViewerModel()
    later.add_image(blobs, name="movie")
    again = Controller(later, opener=keeping)
    again.continue_session()
    assert again.session.saved_to == path
    np.testing.assert_array_equal(labels(again), expected(blobs, object_1=[0, 1]))


def test_the_widget_is_closed(viewer, keeping, tmp_path, blobs, monkeypatch):
    keeping.kept = KeptSessions()  # the folder where the plugin keeps them
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    controller.close()
    path = tmp_path / "mine.sam2"
    write(viewer.layers["movie – objects"], path)
    assert [one.path for one in keeping.kept.sessions()] == [path]
    write(viewer.layers["movie – objects"], path)  # once more, to itself
    later = Controller(viewer, opener=keeping)
    assert later.session.saved_to == path
    np.testing.assert_array_equal(labels(later), expected(blobs, object_1=[0]))


def test_layers_without_a_session_are_refused(viewer, tmp_path):
    layer = viewer.add_labels(np.zeros((3, 4), int), name="mine")
    with pytest.raises(ValueError, match=r"mine belongs to no session that could be saved as \.sam2"):
        write(layer, tmp_path / "x.sam2")
    assert list(tmp_path.glob("x*")) == []


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("obstacle", ["no folder", "another file", "open elsewhere"])
def test_where_it_cannot_be_saved_it_stays_where_it_is(viewer, keeping, tmp_path, movie, obstacle, is_open):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    before = controller.session.saved_to
    target, other = tmp_path / "x.sam2", None
    if obstacle == "no folder":
        target = tmp_path / "none" / "x.sam2"
    elif obstacle == "another file":
        target.write_bytes(movie.read_bytes())
    else:
        other = blob_session(movie)
        other.save(target)
    if not is_open:
        controller.close()
    with pytest.raises((ValueError, OSError)) as raised:
        write(viewer.layers["movie – objects"], target)
    assert "Errno" not in str(raised.value)
    assert before.exists()
    if is_open:
        assert controller.session.saved_to == before
    if other is not None:
        other.close()


def test_a_session_at_work_is_not_saved(viewer, keeping, tmp_path):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    session = controller.session
    before = session.saved_to
    begun, end = threading.Event(), threading.Event()

    def work():
        with session.grouped():
            begun.set()
            end.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(10)
    with pytest.raises(ValueError, match="the session is at work: stop it, or wait until it is done, and save it then"):
        write(viewer.layers["movie – objects"], tmp_path / "x.sam2")
    end.set()
    thread.join()
    assert session.saved_to == before


def test_the_file_of_the_layer_is_named_by_the_session(movie, blobs, keeping, tmp_path):
    viewer = ViewerModel()
    with layer_source(path=str(movie)):
        viewer.add_image(blobs, name="movie")
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    assert controller.session.image_path == movie
    path = tmp_path / "mine.sam2"
    write(controller.workspace.result.layer, path)
    controller.close()
    assert [kind for _, _, kind in read_session(str(path))] == ["image", "labels"]
    again = Session.open(path, model=keeping.load("micro"))
    assert again.image_path == movie
    again.close()
