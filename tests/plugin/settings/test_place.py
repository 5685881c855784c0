import pytest

from certificates import make_certificates
from napari_sam2.plugin.settings.place import CERTIFICATE_FILES, THIS_MACHINE, Place, checked_folder, checked_scheduler
from napari_sam2.plugin.settings.settings import checked


def test_places_have_a_name():
    assert (Place("cuda").name, Place("cuda").is_elsewhere) == (THIS_MACHINE, False)
    there = Place(scheduler="tls://gpu-box:8786")
    assert (there.name, there.is_elsewhere) == ("tls://gpu-box:8786", True)


def test_settings_have_a_place():
    settings, faults = checked({"device": "cpu", "last_scheduler": "tls://gpu-box:8786"}, {})
    assert not faults
    assert settings.place == Place("cpu"), "one that was used before is not used now"
    settings, _ = checked({"compute_on": " tls://gpu-box:8786 "}, {})
    assert settings.place == Place("auto", "tls://gpu-box:8786")


def test_certificates_are_files_of_a_folder(tmp_path):
    with pytest.raises(
        ValueError, match=r"is no folder of certificates: there is no ca\.pem and no cert\.pem and no key\.pem in it"
    ):
        checked_folder(tmp_path)
    for made, name in zip(vars(make_certificates(tmp_path / "lab")).values(), CERTIFICATE_FILES, strict=True):
        made.rename(tmp_path / name)
    settings, faults = checked({"compute_on": "tls://gpu-box:1", "certificates": str(tmp_path)}, {})
    assert not faults
    assert settings.place.certificates().key == tmp_path / "key.pem"
    assert Place(scheduler="tcp://127.0.0.1:1", folder=tmp_path).certificates() is None
    with pytest.raises(ValueError, match=r"^tls://gpu-box:1 needs certificates: choose their folder in the settings$"):
        Place(scheduler="tls://gpu-box:1").certificates()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gpu-box", "^the address of a scheduler is tls://HOST:PORT or tcp://HOST:PORT, got 'gpu-box'$"),
        (
            "tcp://gpu-box:8786",
            "^tcp://gpu-box:8786 is not encrypted, and tcp:// is for this machine alone: give tls://gpu-box:8786$",
        ),
    ],
)
def test_addresses_that_are_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        checked_scheduler(text)
    assert checked_scheduler("tcp://127.0.0.1:8786") == "tcp://127.0.0.1:8786"
    _, faults = checked({"compute_on": text}, {})
    assert list(faults) == ["compute_on"]
