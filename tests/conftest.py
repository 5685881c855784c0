"""PyTorch comes through the door of the package, so that tests are as fast beside other work as the package is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_sam2 import torch_threads  # noqa: F401

WITH_DISPLAY = Path(__file__).parent / "plugin" / "qt"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes (``-n 2 --dist loadgroup``), each file is run by one, and windows share a display with no others."""
    for item in items:
        group = "display" if WITH_DISPLAY in item.path.parents else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True, scope="session")
def _own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sessions that are not saved lie in the data folder of the user: not in that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield
