"""Run files: settings read from TOML, and one sentence for each invalid one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam2.training.run_file import DataEntry, RunFile, read_run_file

GOOD = """
init_checkpoint = "micro"
minutes = 20

[[data]]
image = "raw/movie.tif"
labels = "corrected.zarr"
axes = "TYX"
channel = 1

[[data]]
folder = "/abs/other"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cells.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    run = read_run_file(written(tmp_path, GOOD))
    assert run.out == tmp_path / "cells"
    assert run.data == (
        DataEntry(tmp_path / "raw/movie.tif", tmp_path / "corrected.zarr", "TYX", 1),
        DataEntry(Path("/abs/other/image.tif"), Path("/abs/other/masks.tif")),
    )
    assert [entry.name for entry in run.data] == ["movie", "other"]
    assert (run.init_checkpoint, run.trainable, run.minutes, run.steps, run.validation) == ("micro", "everything", 20, None, ())


def test_a_checkpoint_beside_the_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").touch()
    run = read_run_file(written(tmp_path, GOOD.replace('"micro"', '"mine.safetensors"')))
    assert run.init_checkpoint == str(tmp_path / "mine.safetensors")


def test_a_checkpoint_in_the_current_folder_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine.safetensors").touch()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "runs").mkdir()
    run = read_run_file(written(tmp_path / "runs", GOOD.replace('"micro"', '"mine.safetensors"')))
    assert run.init_checkpoint == str(tmp_path / "runs" / "mine.safetensors")


def test_a_model_name_stays_one_though_a_folder_has_that_name(tmp_path: Path) -> None:
    """A run of ``micro.toml``, whose folder is ``micro``, can be resumed."""
    for name in ("micro", "mine"):
        (tmp_path / name).mkdir()
    assert read_run_file(written(tmp_path, GOOD)).init_checkpoint == "micro"
    assert read_run_file(written(tmp_path, GOOD.replace('"micro"', '"mine"'))).init_checkpoint == str(tmp_path / "mine")


def test_relative_paths_from_python_mean_the_same_in_the_folder_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.safetensors").touch()
    entry = DataEntry("movie.tif", "labels.tif")
    run = RunFile("runs/cells", [entry], [entry], init_checkpoint="mine.safetensors", steps=1)
    run.out.mkdir(parents=True)
    run.write(run.out / "run.toml")
    assert read_run_file(run.out / "run.toml") == run


@pytest.mark.parametrize("more", ["", 'seed = 3\ntrainable = "LoRA"\nlearning_rate = 1e-5\nsteps = 7\nout = "ü \\"x\\""'])
def test_a_written_file_is_read_as_the_same_run(more: str, tmp_path: Path) -> None:
    run = read_run_file(written(tmp_path, more + GOOD + '\n[[validation]]\nfolder = "v"\n'))
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    run.write(copy / "run.toml")
    assert read_run_file(copy / "run.toml") == run


def test_a_number_of_numpy_is_written_as_one(tmp_path: Path) -> None:
    entry = DataEntry(tmp_path / "i.tif", tmp_path / "l.tif")
    run = RunFile(tmp_path / "out", [entry], steps=1, learning_rate=np.float64(1e-4), validation_share=np.float32(0.5).item())
    run.write(tmp_path / "run.toml")
    assert read_run_file(tmp_path / "run.toml").learning_rate == 1e-4


BAD: dict[str, tuple[str, str]] = {
    "not TOML": ("minutes =", r"cells\.toml is not TOML: .*"),
    "unknown key": ("lerning_rate = 1", r"cells\.toml has an unknown key 'lerning_rate'; did you mean 'learning_rate'\?"),
    "nothing like it": ("zzz = 1", r"cells\.toml has an unknown key 'zzz'; there are out, data, .*"),
    "unknown key of an entry": (
        GOOD + "chanel = 1",
        r"\[\[data\]\] number 2 has an unknown key 'chanel'; did you mean 'channel'\?",
    ),
    "nothing like it in an entry": (
        GOOD + "zzz = 1",
        r"cells\.toml: \[\[data\]\] number 2 has an unknown key 'zzz'; there are folder, image, labels, axes, channel",
    ),
    "a date": (
        'init_checkpoint = 2024-05-01\nsteps = 1\n[[data]]\nfolder = "a"',
        r"init_checkpoint must be a text, got datetime\.date\(2024, 5, 1\)",
    ),
    "text for a number": ('minutes = "twenty"\n[[data]]\nfolder = "a"', r"cells\.toml: minutes must be a number, got 'twenty'"),
    "former key of the checkpoint": (
        'start = "micro"',
        r"cells\.toml has an unknown key 'start'; there are out, .*init_checkpoint",
    ),
    "former key of the parts": ('what = "LoRA"', r"cells\.toml has an unknown key 'what'; there are .*, trainable"),
    "endless": ('minutes = inf\n[[data]]\nfolder = "a"', r"minutes must be a number above 0, got inf"),
    "half a step": ('steps = 1.5\n[[data]]\nfolder = "a"', r"steps must be a whole number, got 1\.5"),
    "no step": ('steps = 0\n[[data]]\nfolder = "a"', r"steps must be a whole number, from 1, got 0"),
    "true is no number": ('seed = true\nsteps = 1\n[[data]]\nfolder = "a"', r"seed must be a whole number, got True"),
    "more than a seed holds": (
        f'seed = {2**63}\nsteps = 1\n[[data]]\nfolder = "a"',
        r"seed must be a whole number, from 0, below 2\*\*63, got 9223372036854775808",
    ),
    "no such part": (
        'trainable = "encoder"\nsteps = 1\n[[data]]\nfolder = "a"',
        r"""trainable must be one of "everything", "decoder and memory", "decoder", "LoRA", got 'encoder'""",
    ),
    "large rate": (
        'learning_rate = 3\nsteps = 1\n[[data]]\nfolder = "a"',
        r"learning_rate must be a number between 0 and 1, got 3",
    ),
    "all held out": ('validation_share = 1\nsteps = 1\n[[data]]\nfolder = "a"', r"validation_share must be .* at most 0\.5, got 1"),
    "no end": ('[[data]]\nfolder = "a"', r"minutes or steps is missing: say how long to train"),
    "no data": ("steps = 1", r"data is missing: name an image and its labels under \[\[data\]\]"),
    "data is no table": ('data = "a.tif"\nsteps = 1', r"data must be tables that begin with \[\[data\]\], got 'a\.tif'"),
    "no labels": ('steps = 1\n[[data]]\nimage = "a.tif"', r"\[\[data\]\] number 1: labels is missing"),
    "both forms": (
        'steps = 1\n[[data]]\nfolder = "a"\nimage = "b"',
        r"\[\[data\]\] number 1: give either folder, or image and labels",
    ),
    "path is a number": ("steps = 1\n[[data]]\nfolder = 5", r"\[\[data\]\] number 1: folder must be a text, got 5"),
    "channel by name": (
        GOOD.replace("channel = 1", 'channel = "red"'),
        r"number 1: channel must be a whole number, got 'red'",
    ),
    "negative channel": (
        GOOD.replace("channel = 1", "channel = -1"),
        r"\[\[data\]\] number 1: channel must be a whole number, from 0, got -1",
    ),
    "out is a number": ('out = 5\nsteps = 1\n[[data]]\nfolder = "a"', r"out must be a text, got 5"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_names_key_and_value(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]
    with pytest.raises(ValueError, match=message) as caught:
        read_run_file(written(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "cells.toml"))


def test_a_missing_file_has_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no run file .*gone\.toml"):
        read_run_file(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"minutes": -1}, "minutes must be a number above 0, got -1"),
        ({}, "minutes or steps is missing"),
        ({"steps": 1, "data": "a.tif"}, "data must be a list of DataEntry, got 'a.tif'"),
        ({"steps": 1, "data": DataEntry("a.tif", "b.tif")}, "data must be a list of DataEntry, got DataEntry"),
        ({"steps": 1, "validation": [("a.tif", "b.tif")]}, "validation must be a list of DataEntry, got "),
        ({"steps": 1, "out": 5}, "out must be a path, got 5"),
        ({"steps": 1, "init_checkpoint": None}, "init_checkpoint must be a name or a path, got None"),
    ],
)
def test_the_same_from_python(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RunFile(**{"out": "x", "data": [DataEntry("a.tif", "b.tif")]} | arguments)
