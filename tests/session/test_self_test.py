import pytest
import tifffile

from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.session.self_test import AREA_PX, OBJECT, SelfTest, self_test


def test_the_area_is_that_of_the_reference_masks():
    assert (tifffile.imread(FLUO_MITOCHECK.masks)[0] == OBJECT).sum() == AREA_PX


def test_the_embedded_model_passes():
    test = self_test("cpu")
    assert test.is_passed
    assert (test.device, test.precision) == ("cpu", "float32")
    assert test.describe().startswith("passed: micro loads in ")
    assert test.describe().endswith(f" ms on cpu, {test.area_px} px where 161 are expected")


@pytest.mark.parametrize(("area_px", "is_passed"), [(128, False), (129, True), (193, True), (194, False), (0, False)])
def test_another_area_fails(area_px, is_passed):
    test = SelfTest(area_px, 0.1, 0.2, "cuda", "bfloat16")
    assert test.is_passed == is_passed
    word = "passed" if is_passed else "FAILED"
    assert (
        test.describe()
        == f"{word}: micro loads in 100 ms and segments a nucleus in 200 ms on cuda, {area_px} px where 161 are expected"
    )


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="device 'nowhere' is not available here"):
        self_test("nowhere")
