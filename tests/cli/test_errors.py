"""One table of exit codes, and one sentence for each exception."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
import torch

from napari_sam2 import checks
from napari_sam2.cli import weights
from napari_sam2.cli.errors import MEANINGS, PartlyDone, SomeFailed, code_of, place_of, sentence_of, traceback_of
from napari_sam2.cli.main import main
from napari_sam2.cluster.refusal import ClusterError
from napari_sam2.images.errors import FrameReadError, ImageFileError
from napari_sam2.weights.download import DownloadError, TransferError


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


UNEXPECTED = (
    "an error that is not expected, {}: please report this line, and what `napari-sam2 info` prints; "
    "the same command with --debug shows more"
)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ValueError("x must\nbe  y"), 2, "x must be y"),
        (ImageFileError("a.tif is no image"), 2, "a.tif is no image"),
        (FrameReadError("frame 1 cannot be read"), 2, "frame 1 cannot be read"),
        (FileNotFoundError("there is no file a.tif"), 2, "there is no file a.tif"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.tif"), 2, "a.tif: it is not there"),
        (PermissionError(errno.EACCES, "Permission denied", "a.tif"), 2, "a.tif: permission is denied"),
        (PermissionError("a.tif may not be read"), 2, "a.tif may not be read"),
        (OSError(errno.EROFS, "Read-only file system", "a.tif"), 2, "a.tif: it lies where nothing can be written"),
        (OSError(errno.ENAMETOOLONG, "File name too long"), 2, "its path is too long"),
        (
            ImportError("a.mp4 needs an extra: pip install 'napari-sam2[export]'"),
            2,
            "a.mp4 needs an extra: pip install 'napari-sam2[export]'",
        ),
        (ModuleNotFoundError("No module named 'av'", name="av"), 2, "the package av is missing: pip install 'napari-sam2[all]'"),
        (
            caused(ValueError("cannot be written to the folder"), PermissionError(errno.EACCES, "")),
            2,
            "cannot be written to the folder",
        ),
        (caused(ClusterError("the scheduler cannot be reached"), OSError("no network")), 2, "the scheduler cannot be reached"),
        (SomeFailed("a: no labels"), 1, "a: no labels"),
        (DownloadError("something is in its place"), 2, "something is in its place"),
        (TransferError("the server cannot be reached"), 1, "the server cannot be reached"),
        (caused(DownloadError("no room"), OSError(errno.ENOSPC, "")), 1, "no room"),
        (caused(ValueError("cannot be written to the folder"), OSError(errno.ENOSPC, "")), 1, "cannot be written to the folder"),
        (caused(FrameReadError("frame 1 cannot be read"), OSError(errno.EIO, "")), 1, "frame 1 cannot be read"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a.tif"), 1, "a.tif: the quota on the disk is used up"),
        (OSError("labels cannot be written"), 1, "labels cannot be written"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), 1, "the server does not answer"),
        (
            MemoryError(),
            1,
            "there is not enough memory: take a smaller model, fewer objects at a time, or another --device",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
            1,
            "the GPU has not enough memory: take a smaller model, fewer objects at a time, or another --device",
        ),
        (
            type("ArrayMemoryError", (MemoryError,), {})("Unable to allocate 3.00 GiB for an array with shape (9, 9)"),
            1,
            "there is not enough memory: take a smaller model, fewer objects at a time, or another --device",
        ),
        (MemoryError("there is not enough memory to read a.pt"), 1, "there is not enough memory to read a.pt"),
        (KeyError("a"), 1, UNEXPECTED.format("KeyError")),
        (TypeError("unsupported operand"), 1, UNEXPECTED.format("TypeError")),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), 1, UNEXPECTED.format("RuntimeError")),
        (AssertionError(), 1, UNEXPECTED.format("AssertionError")),
        (PartlyDone("frame 1 cannot be read", [FrameReadError("frame 1 cannot be read")]), 3, "frame 1 cannot be read"),
        (PartlyDone("two things", [FrameReadError("x"), OSError(errno.ENOSPC, "")]), 1, "two things"),
        (PartlyDone("nothing", [FrameReadError("x"), ValueError("y")], is_something_written=False), 2, "nothing"),
        (PartlyDone("nothing", [FrameReadError("x"), MemoryError("y")], is_something_written=False), 1, "nothing"),
    ],
)
def test_code_and_sentence(
    error: Exception, code: int, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (code_of(error), sentence_of(error)) == (code, sentence)

    def run(_args: object) -> None:
        raise error.with_traceback(None)

    monkeypatch.setattr(weights, "list_weights", run)
    assert main(["weights"]) == code
    assert capsys.readouterr() == ("", f"napari-sam2: {sentence}\n")
    for argv in (["--debug", "weights"], ["weights", "--debug"], ["weights", "list", "--debug"]):
        assert main(argv) == code
        err = capsys.readouterr().err
        led_to_it = [error, *([] if error.__cause__ is None else [error.__cause__])]
        assert all(type(one).__name__ in err.removesuffix(f"napari-sam2: {sentence}\n") for one in led_to_it)
        assert err.endswith(f"napari-sam2: {sentence}\n")


def test_the_table_is_in_the_help_and_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for code, meaning in MEANINGS.items():
        assert f"  {code:>3}  {meaning}\n" in shown
        assert f"| {code} | {meaning} |\n" in readme


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing answers at this port; a folder that is a file is the person's to mend."""
    monkeypatch.setenv("NAPARI_SAM2_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    assert main(["weights", "download", "sam2.1_hiera_tiny"]) == 1
    (line,) = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.startswith("napari-sam2: ")]
    assert line.startswith("napari-sam2: http://127.0.0.1:9/sam2.1_hiera_tiny.pt cannot be reached (")
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "file"))
    assert main(["weights", "download", "sam2.1_hiera_tiny"]) == 2
    (line,) = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.startswith("napari-sam2: ")]
    assert "a part of its path is a file" in line or "something is there already" in line


@pytest.mark.parametrize(
    ("home", "shown"),
    [
        ("/home/secretname", "~/scan of a patient.tif is damaged, not /home/secretname2"),
        ("/", "/home/secretname/scan of a patient.tif is damaged, not /home/secretname2"),
    ],
)
def test_what_led_to_it_does_not_name_the_home_folder(home: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    try:
        raise ValueError("/home/secretname/scan of a patient.tif is damaged, not /home/secretname2")
    except ValueError as error:
        text = traceback_of(error)
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith(f"ValueError: {shown}\n")


def test_the_place_of_an_error_is_in_this_package() -> None:
    with pytest.raises(ValueError, match="count") as caught:
        checks.check_whole("count", object())
    assert re.fullmatch(r"ValueError in checks\.py, line \d+", place_of(caught.value))
    with pytest.raises(KeyError) as elsewhere:
        {}["/home/secretname"]
    assert place_of(elsewhere.value) == "KeyError"
