"""``--compute``: what is refused, and what is printed; a real scheduler is in test_batch.py."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import tifffile

from batch_stacks import write_stack
from napari_sam2.cli import compute
from napari_sam2.cli.compute import add_compute_arguments, check_compute, computing
from napari_sam2.cli.main import main
from napari_sam2.cluster.remote_compute import Transfers
from served_here import ServedHere, served_here  # noqa: F401 - a fixture


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto")
    add_compute_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--compute", "gpu-box"], "the address of a scheduler is tls://HOST:PORT"),
        (["--compute", "tcp://192.168.0.7:8786"], "is not encrypted"),
        (["--compute", "tls://127.0.0.1:1"], "needs certificates"),
        (["--compute", "tcp://127.0.0.1:1", "--device", "cpu"], "--device does not go with --compute"),
        (["--tls-ca", "a"], "belong together: give all three"),
        (["--insecure"], "certificates and --insecure go with --compute only"),
    ],
)
def test_what_does_not_go_together_is_said(arguments: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_compute(parsed(*arguments))


def test_here() -> None:
    args = parsed("--device", "cpu")
    assert check_compute(args) is None
    with computing(args, None) as where:
        assert where == {"device": "cpu"}


def test_there(served_here: ServedHere, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    monkeypatch.setattr(compute, "RemoteCompute", lambda *_: served_here)
    with computing(parsed("--compute", "tcp://127.0.0.1:1"), None) as where:
        assert where == {"compute": served_here}
        served_here.transfers = Transfers(2, 0, 500_000, 1_000_000)
    assert capsys.readouterr().out == "computed on tcp://127.0.0.1:1: 2 frames and 0 tensors sent, 500 kB; 1.0 MB received\n"


def test_tracking_without_prompts(
    served_here: ServedHere,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(compute, "RemoteCompute", lambda *_: served_here)
    monkeypatch.chdir(tmp_path)
    write_stack(Path("a.tif"), 2)
    track = ["track", "a.tif", "--points-per-side", "4", "-o"]
    assert main([*track, "here.tif", "--device", "cpu"]) == 0
    assert "computed on" not in capsys.readouterr().out
    assert main([*track, "there.tif", "--compute", "tcp://127.0.0.1:1"]) == 0
    assert "computed on tcp://127.0.0.1:1: " in capsys.readouterr().out
    assert served_here.transfers.received_bytes > 0
    np.testing.assert_array_equal(tifffile.imread("there.tif"), tifffile.imread("here.tif"))
