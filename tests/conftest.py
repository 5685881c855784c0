"""PyTorch comes through the door of the package, so that tests are as fast beside other work as the package is."""

from collections.abc import Iterator
from typing import Any

import pytest

from napari_sam2 import torch_threads  # noqa: F401

WITH_DISPLAY = "tests/plugin/qt/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several processes, ``-n 2``, each file is run by one, and one runs all windows: they share mouse and keyboard."""
    # not by --dist loadgroup, which pytest-xdist 3.8 does not do with pytest 9.2
    from xdist.scheduler import LoadFileScheduling

    class OneDisplay(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return WITH_DISPLAY if nodeid.startswith(WITH_DISPLAY) else super()._split_scope(nodeid)

    return OneDisplay(config, log)


@pytest.fixture(autouse=True, scope="session")
def _own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sessions that are not saved lie in the data folder of the user: not in that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield
