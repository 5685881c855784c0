"""Reading, identifying and writing checkpoints, with a model of 300 kB and released models that take no space."""

import dataclasses
import functools
import os
import pickle
import re
import tempfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_sam2.model.assembly import build_model
from napari_sam2.model.config import MICRO, MODEL_CONFIGS, ConvTrunkConfig, ModelConfig
from napari_sam2.structured import to_json
from napari_sam2.weights import download, load
from napari_sam2.weights.load import find_weights, identify, load_weights, read_checkpoint, save_checkpoint
from napari_sam2.weights.registry import RELEASED

TOY = ModelConfig(
    name="toy",
    trunk=ConvTrunkConfig(channels=(16, 16, 16, 16), depths=(1, 1, 1, 1)),
    image_size=64,
    d_model=32,
    mem_dim=16,
    memory_attention_layers=1,
    memory_attention_mlp_dim=16,
    decoder_mlp_dim=16,
)


def build(config=TOY, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_model(config)


@pytest.fixture(scope="module")
def weights():
    return {key: value.contiguous() for key, value in build().state_dict().items()}  # as safetensors wants them


@functools.cache
def hollow_tensors(name):
    model = build_model(MODEL_CONFIGS[name], device="meta")
    return {key: torch.zeros((), dtype=value.dtype).expand(value.shape) for key, value in model.state_dict().items()}


def hollow(name):
    """A state dict with all the tensors of a model, each of them one number that is repeated: 200 kB when saved."""
    return dict(hollow_tensors(name))


def assert_same(state_dict, other):
    assert state_dict.keys() == other.keys()
    different = [key for key, value in state_dict.items() if value.dtype != other[key].dtype or not torch.equal(value, other[key])]
    assert different == []


def assert_is_sentence(message):
    assert "\n" not in message
    assert not message.endswith(".")
    assert ". " not in message


# --- files that are fine -------------------------------------------------------------------------------------------

WRITERS = {
    "released": lambda path, weights: torch.save({"model": weights}, path),
    "plain": lambda path, weights: torch.save(weights, path),
    "fine-tuned by the official code": lambda path, weights: torch.save(
        {"model": weights, "epoch": 3, "steps": {"train": 9}}, path
    ),
    "before 2020": lambda path, weights: torch.save(weights, path, _use_new_zipfile_serialization=False),
    "converted": lambda path, weights: save_file(dict(weights), path),
    "ours": lambda path, weights: save_checkpoint(path, weights, TOY),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_read_checkpoint(tmp_path, weights, writer):
    path = tmp_path / ("file.safetensors" if writer == "ours" else "file.pt")
    WRITERS[writer](path, weights)
    checkpoint = read_checkpoint(str(path))
    assert_same(checkpoint.state_dict, weights)
    assert checkpoint.config == (TOY if writer == "ours" else None)


def test_load_weights(tmp_path, weights):
    torch.save({"model": weights}, tmp_path / "file.pt")
    model = build(seed=1).half().eval()
    load_weights(model, tmp_path / "file.pt")
    assert_same(model.state_dict(), {key: value.half() for key, value in weights.items()})
    assert not model.training


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_half_precision_is_read_as_float32(tmp_path, weights, dtype, suffix):
    halves = {key: value.to(dtype) for key, value in weights.items()}
    path = tmp_path / f"file{suffix}"
    torch.save(halves, path) if suffix == ".pt" else save_file(halves, path)
    assert_same(read_checkpoint(path).state_dict, {key: value.float() for key, value in halves.items()})


def test_integers_stay_integers(tmp_path, weights):
    save_checkpoint(tmp_path / "file.safetensors", {**weights, "steps": torch.tensor(7)}, TOY, half=True)
    assert read_checkpoint(tmp_path / "file.safetensors").state_dict["steps"].dtype == torch.int64


def test_save_in_half_precision(tmp_path, weights):
    whole, half = tmp_path / "new" / "whole.safetensors", tmp_path / "new" / "half.safetensors"
    save_checkpoint(whole, weights, TOY)
    save_checkpoint(half, weights, TOY, half=True)
    bytes_saved = 2 * sum(value.numel() for value in weights.values())
    # the headers differ by the names of types and the digits of offsets
    assert whole.stat().st_size - half.stat().st_size == pytest.approx(bytes_saved, rel=0.02)
    model = build(seed=1)
    load_weights(model, half)
    assert_same(model.state_dict(), {key: value.half().float() for key, value in weights.items()})


def test_save_replaces_and_leaves_nothing_else(tmp_path, weights):
    path = tmp_path / "file.safetensors"
    path.write_bytes(b"older")
    usual_mode = path.stat().st_mode
    save_checkpoint(path, weights, TOY)
    assert os.listdir(tmp_path) == ["file.safetensors"]
    assert path.stat().st_mode == usual_mode
    save_checkpoint(path, weights, dataclasses.replace(TOY, image_size=96))
    assert read_checkpoint(path).config.image_size == 96
    assert_same(read_checkpoint(path).state_dict, weights)


def test_save_that_fails_leaves_the_older_file(tmp_path, weights):
    path = tmp_path / "file.safetensors"
    path.write_bytes(b"older")
    resource = pytest.importorskip("resource", reason="limits are POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=f"{re.escape(str(path))} cannot be written: make room"):
            save_checkpoint(path, weights, TOY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ["file.safetensors"]
    assert path.read_bytes() == b"older"


def test_save_into_what_is_no_folder(tmp_path, weights):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "new" / "file.safetensors"
    with pytest.raises(OSError, match=f"^{re.escape(str(path))} cannot be written: a part of its path is a file, not a folder$"):
        save_checkpoint(path, weights, TOY)


@pytest.mark.parametrize("place", ["folder", "disk"])
def test_save_where_nothing_can_be_written(tmp_path, weights, monkeypatch, place):
    path = tmp_path / "file.safetensors"

    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    if place == "folder":
        monkeypatch.setattr(tempfile, "TemporaryFile", fail)
        kind, message = ValueError, f"file.safetensors cannot be written to the folder {tmp_path}: permission is denied"
    else:
        monkeypatch.setattr(os, "fsync", fail)
        kind, message = PermissionError, f"{path} cannot be written: permission is denied"
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        save_checkpoint(path, weights, TOY)
    assert os.listdir(tmp_path) == []


def test_save_asks_for_its_suffix(tmp_path, weights):
    with pytest.raises(ValueError, match=r"saved as \.safetensors, got .*file\.pt"):
        save_checkpoint(tmp_path / "file.pt", weights, TOY)


def test_tensors_that_are_views_can_be_saved(tmp_path):
    ramp = torch.arange(12.0).reshape(3, 4)
    save_checkpoint(tmp_path / "file.safetensors", {"a": ramp.T, "b": ramp[:, 1:3].requires_grad_()}, TOY)
    assert_same(read_checkpoint(tmp_path / "file.safetensors").state_dict, {"a": ramp.T, "b": ramp[:, 1:3].detach()})


# --- files that are not --------------------------------------------------------------------------------------------


class Code:
    """Stands for anything that a pickle could run."""


def first_half(write):
    def write_half(path, weights):
        write(path, weights)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return write_half


def zip_of_something(path, _):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")


def damaged_directory(path, weights):
    torch.save(weights, path)
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x00\x00"))


FAULTY_FILES = {
    "page": (lambda path, _: path.write_text("<!DOCTYPE html><p>Please log in"), "is not a checkpoint, it begins with b'<!DOC"),
    "text": (lambda path, _: path.write_text("weights {of what}"), "is not a checkpoint"),
    "numpy": (lambda path, _: path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'"), "is not a checkpoint, it begins with"),
    "empty": (lambda path, _: path.touch(), "is empty"),
    "zip": (zip_of_something, "is not a checkpoint but a zip archive"),
    "half of a .pt": (first_half(WRITERS["released"]), "is truncated or damaged: copy or download it again"),
    "half of an old .pt": (first_half(WRITERS["before 2020"]), "is truncated or damaged"),
    "half of a .safetensors": (first_half(WRITERS["converted"]), "is truncated or damaged"),
    "damaged .pt": (damaged_directory, "is truncated or damaged"),
    "code": (lambda path, _: torch.save({"model": Code()}, path), "is refused"),
    "whole model": (lambda path, _: torch.save(torch.nn.Linear(1, 1), path), "is refused"),
    "old code": (lambda path, _: torch.save(Code(), path, _use_new_zipfile_serialization=False), "is refused"),
    "pickle": (lambda path, _: path.write_bytes(pickle.dumps(Code(), protocol=2)), "is refused"),
    "one tensor": (lambda path, _: torch.save(torch.zeros(3), path), "not a SAM 2 model, it holds a Tensor"),
    "other things": (lambda path, _: torch.save({"steps": 3}, path), "not a SAM 2 model, it holds steps instead"),
    "nothing": (lambda path, _: torch.save({"model": {}}, path), "not a SAM 2 model, it holds nothing instead"),
    "bad config": (
        lambda path, weights: save_file(dict(weights), path, metadata={"config": "{}"}),
        "file.pt has no 'name'",
    ),
    "bad value": (
        lambda path, weights: save_file(dict(weights), path, {"config": to_json(TOY).replace('"2.1"', '"3"')}),
        "file.pt: version must be '2.0' or '2.1', got '3'",
    ),
}


@pytest.mark.parametrize(("write", "reason"), FAULTY_FILES.values(), ids=FAULTY_FILES)
def test_faulty_file_is_told_in_a_sentence(tmp_path, weights, write, reason):
    path = tmp_path / "file.pt"
    write(path, weights)
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert_is_sentence(str(caught.value))


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.02, 0.1, 0.3, 0.7, 0.999])
@pytest.mark.parametrize("writer", ["released", "before 2020", "converted"])
def test_truncation_anywhere_is_noticed(tmp_path, weights, writer, share):
    path = tmp_path / "file.pt"
    WRITERS[writer](path, weights)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"is truncated or damaged|is refused"):
        read_checkpoint(path)


def test_suffix_that_misleads_torch(tmp_path, weights):
    torch.save(weights, tmp_path / "file.safetensors")
    with pytest.raises(ValueError, match=r"file\.safetensors was written by torch\.save .*: rename it to end in \.pt"):
        read_checkpoint(tmp_path / "file.safetensors")


@pytest.mark.parametrize("reader", [read_checkpoint, find_weights, lambda path: load_weights(build(), path)])
def test_missing_file(tmp_path, reader):
    with pytest.raises(FileNotFoundError, match=re.escape(f"there is no checkpoint file {tmp_path / 'file.pt'}")):
        reader(tmp_path / "file.pt")


# --- files of another model ----------------------------------------------------------------------------------------


def without(weights, *keys):
    return {key: value for key, value in weights.items() if key not in keys}


OTHER_MODELS = {
    "other size": (lambda weights: hollow("sam2.1_hiera_l"), "is sam2.1_hiera_l, not toy"),
    "embedded": (lambda weights: hollow("micro"), "is micro, not toy"),
    "not SAM 2": (
        lambda weights: {f"layer{index}.weight": torch.zeros(1) for index in range(9)},
        "is not a SAM 2 model, it holds layer0.weight, layer1.weight, layer2.weight and 6 more",
    ),
    "prefixed": (
        lambda weights: {f"module.{key}": value for key, value in weights.items()},
        "is not a SAM 2 model, it holds module.maskmem_tpos_enc, ",
    ),
    "one missing": (lambda weights: without(weights, "no_mem_embed"), "is not a whole toy, it lacks no_mem_embed"),
    "version 2.0": (
        lambda weights: without(
            weights, "no_obj_embed_spatial", "obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias", "no_obj_ptr"
        ),
        "is not a whole toy, it lacks no_obj_ptr, no_obj_embed_spatial, obj_ptr_tpos_proj.weight and 1 more",
    ),
    "one too many": (lambda weights: {**weights, "head.weight": torch.zeros(1)}, "is not a toy, it also holds head.weight"),
    "other shape": (
        lambda weights: {**weights, "no_mem_embed": torch.zeros(1, 1, 8)},
        "is not a toy, its no_mem_embed has shape (1, 1, 8) instead of (1, 1, 32)",
    ),
}


@pytest.mark.parametrize(("change", "reason"), OTHER_MODELS.values(), ids=OTHER_MODELS)
def test_other_model_is_told_and_not_loaded(tmp_path, weights, change, reason):
    path = tmp_path / "file.pt"
    torch.save({"model": change(weights)}, path)
    model = build(seed=1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=re.escape(f"{path} {reason}")) as caught:
        load_weights(model, path)
    assert_is_sentence(str(caught.value))
    assert_same(model.state_dict(), before)


@pytest.mark.parametrize(
    ("asked", "given"), [("sam2.1_hiera_t", "sam2.1_hiera_l"), ("sam2.1_hiera_s", "sam2_hiera_s"), ("sam2_hiera_t", "sam2_hiera_s")]
)
def test_other_released_model(tmp_path, asked, given):
    torch.save({"model": hollow(given)}, tmp_path / "file.pt")
    model = build_model(MODEL_CONFIGS[asked], device="meta")
    with pytest.raises(ValueError, match=re.escape(f"file.pt is {given}, not {asked}")):
        load_weights(model, tmp_path / "file.pt")


def test_model_whose_config_the_file_has(tmp_path, weights):
    save_checkpoint(tmp_path / "file.safetensors", weights, TOY)
    wide = build(dataclasses.replace(TOY, name="wide", mem_dim=32))
    with pytest.raises(ValueError, match="is toy, not wide"):
        load_weights(wide, tmp_path / "file.safetensors")


def test_fine_tuned_model_is_called_incomplete_and_not_another(tmp_path, weights):
    save_checkpoint(tmp_path / "file.safetensors", without(weights, "no_obj_ptr"), dataclasses.replace(TOY, name="yeast"))
    with pytest.raises(ValueError, match="is not a whole toy, it lacks no_obj_ptr"):
        load_weights(build(), tmp_path / "file.safetensors")


# --- which model it is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODEL_CONFIGS)
def test_identify(name):
    state_dict = hollow(name)
    assert identify(state_dict) == name
    for key in ("no_mem_embed", "image_encoder.neck.convs.0.conv.bias"):
        del state_dict[key]
    assert identify({**state_dict, "extra": torch.zeros(1)}) == name


@pytest.mark.parametrize("state_dict", [{}, {"a": torch.zeros(1)}], ids=["empty", "other"])
def test_identify_nothing(state_dict):
    assert identify(state_dict) is None


def test_identify_no_unknown_size(weights):
    assert identify(weights) is None


# --- where it is ---------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and an empty folder to work in."""
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "cache"


@pytest.fixture
def released_file(cache, monkeypatch):
    """A file in the cache that has the size of the release."""
    path = cache / "sam2.1_hiera_tiny.pt"
    torch.save({"model": hollow("sam2.1_hiera_t")}, path)
    small = dataclasses.replace(RELEASED["sam2.1_hiera_t"], size_bytes=path.stat().st_size)
    monkeypatch.setitem(RELEASED, "sam2.1_hiera_t", small)
    return path


@pytest.mark.parametrize("name", ["sam2.1_hiera_t", "configs/sam2.1/sam2.1_hiera_t.yaml", "sam2.1_hiera_tiny.pt"])
def test_find_downloaded_weights(released_file, name):
    assert find_weights(name) == (MODEL_CONFIGS["sam2.1_hiera_t"], released_file)


def test_weights_that_were_not_downloaded(cache):
    with pytest.raises(FileNotFoundError) as caught:
        find_weights("facebook/sam2.1-hiera-base-plus")
    assert str(caught.value) == "sam2.1_hiera_b+ is not on this machine: run `napari-sam2 weights download sam2.1_hiera_b+`"


def test_downloaded_file_of_another_size(released_file):
    released_file.write_bytes(released_file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="it has 1,000 bytes instead of"):
        find_weights("sam2.1_hiera_t")


def test_find_embedded_weights(cache, monkeypatch, tmp_path, weights):
    embedded = tmp_path / "micro.safetensors"
    monkeypatch.setattr(download, "EMBEDDED", embedded)
    with pytest.raises(FileNotFoundError, match="micro is missing from the package: install"):
        find_weights("micro")
    config = dataclasses.replace(MICRO, image_size=256)
    save_checkpoint(embedded, hollow("micro"), config, half=True)
    assert find_weights("micro") == (config, embedded)


def test_find_file_with_config(tmp_path, weights):
    fine_tuned = dataclasses.replace(TOY, name="yeast", image_size=96)
    save_checkpoint(tmp_path / "yeast.safetensors", weights, fine_tuned)
    config, path = find_weights(tmp_path / "yeast.safetensors")
    assert config == fine_tuned
    model = build(config, seed=1)
    load_weights(model, path)
    assert model.image_size == 96
    assert_same(model.state_dict(), weights)


@pytest.mark.parametrize("name", RELEASED)
def test_find_file_that_is_identified(tmp_path, name):
    torch.save({"model": hollow(name)}, tmp_path / "mine.pth")
    assert find_weights(str(tmp_path / "mine.pth")) == (MODEL_CONFIGS[name], tmp_path / "mine.pth")


def test_a_file_wins_over_the_name_it_has(cache):
    torch.save({"model": hollow("sam2.1_hiera_t")}, "sam2.1_hiera_tiny.pt")
    assert find_weights("sam2.1_hiera_tiny.pt") == (MODEL_CONFIGS["sam2.1_hiera_t"], Path("sam2.1_hiera_tiny.pt"))


def test_find_file_of_a_model_that_is_not_known(tmp_path, weights):
    torch.save(weights, tmp_path / "toy.pt")
    with pytest.raises(ValueError, match=r"not a SAM 2 model known here, it holds maskmem_tpos_enc, .* and 275 more"):
        find_weights(tmp_path / "toy.pt")


def test_find_the_checkpoint_of_a_folder(tmp_path, weights):
    folder = tmp_path / "run"
    save_checkpoint(folder / "best.safetensors", weights, TOY)
    (folder / "log.csv").touch()
    (folder / "old.pt").mkdir()
    (folder / ".best-0a1b2c3d.partial.safetensors").touch()  # whoever wrote it was killed in the middle
    assert find_weights(folder) == find_weights(str(folder)) == (TOY, folder / "best.safetensors")
    save_checkpoint(folder / "last.safetensors", weights, TOY)
    with pytest.raises(ValueError, match=r"holds best\.safetensors, last\.safetensors: say which"):
        find_weights(folder)


def test_folder_without_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no checkpoint, that is no file ending in \.pt, \.pth, \.safetensors"):
        find_weights(tmp_path)


NOT_FOUND = {
    "sam2.1_hiera_tyni": (ValueError, "did you mean sam2.1_hiera_t or sam2.1_hiera_s; nor is there such a file or folder"),
    "runs/yeast": (ValueError, "no model is called 'runs/yeast'"),
    "yeast.pt": (FileNotFoundError, "there is no checkpoint file yeast.pt"),
    "runs/sam2.1_hiera_tiny.pt": (FileNotFoundError, "there is no checkpoint file"),
    Path("sam2.1_hiera_t"): (FileNotFoundError, "there is no checkpoint file sam2.1_hiera_t"),
}


@pytest.mark.parametrize("model", NOT_FOUND)
def test_neither_a_name_nor_a_file(cache, model):
    error, reason = NOT_FOUND[model]
    with pytest.raises(error, match=re.escape(reason)) as caught:
        find_weights(model)
    assert_is_sentence(str(caught.value))


def test_suffixes_are_those_that_are_documented():
    assert load.SUFFIXES == (".pt", ".pth", ".safetensors")
