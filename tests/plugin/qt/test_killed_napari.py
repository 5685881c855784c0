"""The process of napari is killed while somebody works: at most the frame that was in work is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tifffile

from napari_at_work import seen_of
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.session.session import Session

pytestmark = pytest.mark.skipif(
    not os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb", reason="needs an X server"
)
TESTS = Path(__file__).parents[2]
NUM_FRAMES = 4
NUM_TRANSACTIONS = 25
"""About as many are done in all."""


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_nothing_older_than_the_frame_in_work_is_lost(seed, tmp_path):
    from person import let_go

    choose = random.Random(seed)
    log = tmp_path / "log"
    log.touch()
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    child = subprocess.Popen([sys.executable, TESTS / "napari_at_work.py", log, str(NUM_FRAMES), str(seed)], env=environment)
    try:
        until, num_lines = time.monotonic() + 120, choose.randint(1, NUM_TRANSACTIONS)
        while log.read_text().count("\n") < num_lines and time.monotonic() < until and child.poll() is None:
            time.sleep(0.001)
        time.sleep(choose.uniform(0, 0.3))
    finally:
        child.kill()
        child.wait()
        let_go()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) >= min(num_lines, 1)
    (file,) = [path for path in tmp_path.rglob("*.sam2") if path.stat().st_size]
    with Session.open(file, tifffile.imread(FLUO_MITOCHECK.image)[:NUM_FRAMES]) as session:
        found = seen_of(session)
    assert found == lines[-1] or found not in lines, "it is what was logged last, or one transaction more"
