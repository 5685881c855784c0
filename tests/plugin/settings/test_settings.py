import json
from pathlib import Path

import napari.settings
import pytest
import yaml

import napari_sam2
from napari_sam2.model.memory_recall import OfficialRecall
from napari_sam2.plugin.settings.keys import CHOSEN, UNDO, all_keys
from napari_sam2.plugin.settings.settings import (
    DEVICES,
    GENERAL,
    INPUT_SIDES_PX,
    KEYS,
    MOST_MEMORIES,
    PRECISIONS,
    Preferences,
    Settings,
    SettingsFile,
    StoredSettings,
    checked,
    stored_settings,
)
from napari_sam2.predictors.device import PRECISIONS as ENGINE_PRECISIONS

MANIFEST = yaml.safe_load((Path(napari_sam2.__file__).parent / "napari.yaml").read_text(encoding="utf-8"))
CONFIGURATIONS = MANIFEST["contributions"]["configurations"]


@pytest.fixture(autouse=True)
def _default_keys():
    yield
    CHOSEN.choose({})


def defaults(section):
    return {name: item["default"] for name, item in CONFIGURATIONS[section]["properties"].items()}


def test_the_manifest_has_the_same_settings():
    assert checked(defaults(GENERAL), defaults(KEYS)) == (Settings(), {})
    assert [*defaults(GENERAL), "keys"] == list(Settings.__dataclass_fields__)
    assert defaults(KEYS) == {name: key.default for name, key in all_keys().items()}
    general = CONFIGURATIONS[GENERAL]["properties"]
    assert tuple(general["device"]["enum"]) == DEVICES
    assert general["memories"]["maximum"] == MOST_MEMORIES == OfficialRecall().num_maskmem
    assert tuple(general["precision"]["enum"]) == PRECISIONS == ("auto", *ENGINE_PRECISIONS)
    assert tuple(map(int, general["image_size"]["enum"])) == INPUT_SIDES_PX


def test_settings_are_read(tmp_path):
    checkpoint = tmp_path / "cells.pt"
    checkpoint.touch()
    values = {
        "autosave_folder": str(tmp_path / "new"),
        "quota_gb": 5,
        "memory_gb": 0,
        "default_model": str(checkpoint),
        "device": "cpu",
        "precision": "bfloat16",
        "image_size": "512",
    }
    assert checked(values, {"undo": "F7"}) == (
        Settings(tmp_path / "new", 5.0, 0.0, str(checkpoint), "cpu", "bfloat16", 512, keys={"undo": "F7"}),
        {},
    )
    assert checked({"default_model": "facebook/sam2.1-hiera-large"}, {})[0].default_model == "sam2.1_hiera_l"


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        (
            "autosave_folder",
            "sessions",
            "sessions is not a folder for sessions: give the whole path of one, or nothing for the usual",
        ),
        ("autosave_folder", __file__, "is not a folder for sessions"),
        ("quota_gb", 0, "The room for sessions is a number of GB, at least 0.1, got 0"),
        ("quota_gb", "20", "The room for sessions is a number of GB, at least 0.1, got '20'"),
        ("memory_gb", -1.0, "The memory for a result is a number of GB, at least 0, got -1.0"),
        ("memory_gb", float("nan"), "got nan"),
        ("default_model", "sam3", "The default model is best, a checkpoint file, or one of micro, sam2.1_hiera_t"),
        ("device", "tpu", "The device is one of auto, cpu, cuda, mps, got 'tpu'"),
        ("image_size", 500, "The side of the input is one of 1024, 768, 512, got 500"),
        ("precision", "float16", "The precision is one of auto, float32, bfloat16, got 'float16'"),
        ("memories", 0, "Recalled memories are 1 to 7, got 0"),
        ("memories", 2.5, "Recalled memories are 1 to 7, got 2.5"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence_and_has_its_default(name, value, fault):
    settings, faults = checked({name: value, "device": "cpu"} if name != "device" else {name: value}, {})
    assert getattr(settings, name) == getattr(Settings(), name)
    assert list(faults) == [name]
    assert fault in faults[name]
    assert "\n" not in faults[name]


def test_settings_are_written_and_read_again(tmp_path):
    path, changes = tmp_path / "napari" / "napari-sam2.json", []
    stored = StoredSettings(SettingsFile(path))
    stored.changed.connect(lambda: changes.append(stored.settings))
    stored.write({"device": "cpu", "autosave_folder": str(tmp_path)}, {"undo": "f7"})
    assert json.loads(path.read_text()) == {"general": {"device": "cpu", "autosave_folder": str(tmp_path)}, "keys": {"undo": "f7"}}
    expected = Settings(autosave_folder=tmp_path, device="cpu", keys={"undo": "F7"})
    assert changes[-1] == stored.settings == expected
    assert UNDO.name == "F7"
    CHOSEN.choose({})
    assert StoredSettings(SettingsFile(path)).settings == expected
    assert UNDO.name == "F7"


def test_what_cannot_be_is_not_written(tmp_path):
    stored = StoredSettings(SettingsFile(tmp_path / "settings.json"))
    with pytest.raises(ValueError, match="The device is one of"):
        stored.write({"device": "tpu", "quota_gb": 3.0})
    with pytest.raises(ValueError, match="which is the key to propagate all objects"):
        stored.write({}, {"undo": "G"})
    assert stored.settings == Settings()
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_gives_the_defaults(tmp_path):
    path = tmp_path / "settings.json"
    for text in ("{", "[]", '{"general": 3}'):
        path.write_text(text)
        assert StoredSettings(SettingsFile(path)).settings == Settings()


def test_a_fault_is_kept_until_it_is_mended():
    source = SettingsFile(None)
    source.write(GENERAL, {"quota_gb": -1})
    stored = StoredSettings(source)
    assert list(stored.faults) == ["quota_gb"]
    stored.write({"quota_gb": 2.0})
    assert (stored.settings.quota_gb, stored.faults) == (2.0, {})


@pytest.mark.skipif(not hasattr(napari.settings, "get_plugin_settings"), reason="before napari 0.9 there are no such preferences")
def test_settings_in_the_preferences_of_napari(plugin_settings, npe2pm, tmp_path):
    from npe2 import PluginManifest

    npe2pm.register(PluginManifest.from_file(Path(napari_sam2.__file__).parent / "napari.yaml"))
    model = napari.settings.get_plugin_settings("napari-sam2")
    stored, changes = StoredSettings(Preferences(model)), []
    assert stored.settings == Settings()
    stored.changed.connect(lambda: changes.append(stored.settings))
    model.general.quota_gb = 3
    model.keys.undo = "F7"
    assert changes == [Settings(quota_gb=3.0), Settings(quota_gb=3.0, keys={"undo": "F7"})]
    stored.write({"device": "cpu"}, {"undo": "F8"})
    assert (model.general.device, model.keys.undo, UNDO.name) == ("cpu", "F8", "F8")
    saved = yaml.safe_load((tmp_path / "napari-sam2.yaml").read_text())
    assert saved == {"general": {"quota_gb": 3.0, "device": "cpu"}, "keys": {"undo": "F8"}}
    model.keys.undo = "G"
    assert (stored.settings.keys, list(stored.faults)) == ({}, ["undo"])


def test_the_program_has_one_object_of_settings():
    assert stored_settings() is stored_settings()
    assert stored_settings().settings == Settings()
