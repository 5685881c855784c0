"""PyTorch comes through the door of the package, so that tests are as fast beside other work as the package is."""

from collections.abc import Iterator

import pytest

from napari_sam2 import torch_threads  # noqa: F401


@pytest.fixture(autouse=True, scope="session")
def _own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sessions that are not saved lie in the data folder of the user: not in that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield
