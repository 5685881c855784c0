"""Another program in the process, or in the thread, has changed a setting of PyTorch: the same results, bit by bit."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_sam2
from keyed_weights import keyed_frames
from napari_sam2.model.config import ConvTrunkConfig, ModelConfig
from napari_sam2.predictors.automatic_mask_generator import SAM2AutomaticMaskGenerator
from napari_sam2.predictors.build import build_sam2, load_model
from napari_sam2.predictors.device import inference
from napari_sam2.predictors.image_predictor import SAM2ImagePredictor
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor, build_sam2_video_predictor
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session
from napari_sam2.session.volumes.fuse_axes import fuse_axes
from napari_sam2.session.volumes.propagate_each import propagate_each
from napari_sam2.weights.load import load_weights, save_checkpoint
from tiny_models import TINY, TINY_HIERA, tiny_predictor

Results = dict[str, Any]
Setting = Callable[[], AbstractContextManager[Any]]


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextlib.contextmanager
def several() -> Iterator[None]:
    with default_dtype(torch.float64), default_device("meta"), deterministic(), torch.inference_mode():
        yield


# "meta" stands for a device that is not ours: a tensor on it has no numbers at all.
SETTINGS: dict[str, Setting] = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "float16": lambda: default_dtype(torch.float16),
    "device meta": lambda: default_device("meta"),
    "device cpu": lambda: default_device("cpu"),
    "with device meta": lambda: torch.device("meta"),
    "deterministic": deterministic,
    "enable_grad": torch.enable_grad,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "several": several,
}
# The official classes have no argument for the precision: there, as in official scripts, autocast is how it is chosen.
SETTINGS_OF_SESSIONS: dict[str, Setting] = SETTINGS | {"autocast": lambda: torch.autocast("cpu", torch.bfloat16)}
UNLIKE = ("float64", "device meta", "inference_mode", "several")
"""One of each kind, where all would take long."""


def mostly_slow(settings: Iterable[str]) -> list[Any]:
    """All settings, of which one of each kind is in each run."""
    return [name if name in (*UNLIKE, "autocast") else pytest.param(name, marks=pytest.mark.slow) for name in settings]


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Whatever a test leaves behind, the next one does not find."""
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.use_deterministic_algorithms(False)


# --- what is done ----------------------------------------------------------------------------------------------------

T, SIDE = 3, 48
ROWS, COLUMNS = np.indices((SIDE, SIDE))


def disc(row: float, column: float, radius: float) -> np.ndarray:
    return np.hypot(ROWS - row, COLUMNS - column) < radius


MOVIE = np.stack([20 + 200 * disc(16 + t, 14, 7) + 120 * disc(32, 30 + 2 * t, 6) for t in range(T)]).astype(np.uint8)
VOLUMES = np.stack([np.roll(np.stack([MOVIE[0, 8:24:2, 4:28:2]] * 3), t, axis=1) for t in range(2)])
COLOURS = np.stack([MOVIE[0], MOVIE[1], MOVIE[2]], axis=-1)


def of_session(session: Session) -> Results:
    """Everything that a session has found."""
    found: Results = {"labels": np.array(session.labels)}
    for object_id, item in session.objects.items():
        found[f"scores {object_id}"] = list(session.scores(object_id).items())
        for frame in sorted(item.shown_frames()):
            record = item.shown(frame)
            found[f"logits {object_id} {frame}"] = record.mask_logits
            found[f"pointer {object_id} {frame}"] = record.pointer.array
            found[f"memory {object_id} {frame}"] = None if record.memory is None else record.memory.array
            found[f"mask {object_id} {frame}"] = session.mask(object_id, frame)
    return found


def propagated(session: Session) -> None:
    for _ in session.propagate():
        pass


def clicks(model: SAM2VideoPredictor, folder: Path) -> Results:
    """What a person does with the embedded model."""
    session = Session(MOVIE, "TYX", model=model)
    session.add_object()
    session.add_points(1, 0, [(16, 14)])
    session.add_points(1, 0, [(23, 14)], [0])
    session.add_object()
    session.add_box(2, 1, (26, 26, 39, 39))
    propagated(session)
    return of_session(session)


def prompts_and_files(model: SAM2VideoPredictor, folder: Path) -> Results:
    """Every kind of prompt, a correction, what is taken back, and a file that is opened again."""
    session = Session(MOVIE, "TYX", model=model, zoom=3.0, memory_gate=MemoryGate(), intensity_range=(0, 255))
    for _ in range(3):
        session.add_object()
    session.add_scribble(1, 0, [(12, 10), (20, 18)])
    session.add_mask(2, 0, disc(32, 30, 6))
    session.add_points(2, 0, [(32, 30), (20, 20)], [1, 0])
    session.add_box(3, 1, (10, 6, 26, 22))
    propagated(session)
    found: Results = {f"first {name}": value for name, value in of_session(session).items()}
    session.add_points(1, 2, [(18, 14)])
    session.undo()
    found["undone"] = np.array(session.labels)
    session.redo()
    propagated(session)
    session.save(folder / "session.sam2")
    session.close()
    again = Session.open(folder / "session.sam2", MOVIE, model)
    found |= of_session(again)
    again.add_points(1, 1, [(17, 14)])
    propagated(again)
    again.close()
    found["after opening"] = np.array(again.labels)
    found["replayed"] = np.array(replay(folder / "session.sam2", MOVIE, model).labels)
    found["preview"] = again.preview(1, 1)
    found["uncertainties"] = [(one.object_id, one.frame, one.uncertainty) for one in again.review_queue()]
    return found


def everything(model: SAM2VideoPredictor, folder: Path) -> Results:
    session = Session(MOVIE[:1], "TYX", model=model, zoom=None)
    options = {"points_per_side": 2, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "crop_n_layers": 1, "use_m2m": True}
    session.segment_everything(0, min_mask_region_area=4, **options)
    return of_session(session)


def axes_and_places(model: SAM2VideoPredictor, folder: Path) -> Results:
    session = Session(VOLUMES, "TZYX", model=model, along="Z", at={"T": 0}, zoom=None)
    session.add_object()
    session.add_points(1, 1, [(4, 5)])
    for _ in fuse_axes(session, "ZY"):
        pass
    found = {f"vote {name}": value for name, value in of_session(session).items()}
    for _ in propagate_each(session, "T"):
        pass
    return found | of_session(session)


def images(model: SAM2VideoPredictor, folder: Path) -> Results:
    """The official image predictor."""
    predictor = SAM2ImagePredictor(model, max_hole_area=4, max_sprinkle_area=4)
    predictor.set_image(COLOURS)
    asked = {
        "click": {"point_coords": np.array([[14, 16]]), "point_labels": np.array([1])},
        "one mask": {"point_coords": np.array([[14, 16]]), "point_labels": np.array([1]), "multimask_output": False},
        "boxes": {"box": np.array([[7, 9, 21, 23], [24, 26, 36, 38]])},
        "shares": {"point_coords": np.array([[0.3, 0.4]]), "point_labels": np.array([1]), "normalize_coords": False},
        "logits": {"box": np.array([7, 9, 21, 23]), "return_logits": True},
    }
    found = {name: predictor.predict(**arguments) for name, arguments in asked.items()}
    found["mask"] = predictor.predict(mask_input=found["click"][2][:1])
    predictor.set_image_batch([MOVIE[0].astype(np.uint16), COLOURS])
    found["batch"] = predictor.predict_batch([np.array([[14, 16]])] * 2, [np.array([1])] * 2)
    return {f"{name} {i}": part for name, parts in found.items() for i, part in enumerate(parts)}


def videos(model: SAM2VideoPredictor, folder: Path) -> Results:
    """The official video predictor, in both directions, with a correction."""
    state = model.init_state(keyed_frames(4, 64, 3)[:, 0], offload_state_to_cpu=True)
    found = {"points": model.add_new_points_or_box(state, 2, 1, points=[[20, 30]], labels=[1])}
    found["box"] = model.add_new_points_or_box(state, 1, 2, box=[10, 12, 40, 44])
    found["mask"] = model.add_new_mask(state, 1, 3, disc(20, 20, 8))
    found |= {f"forward {step[0]}": step for step in model.propagate_in_video(state)}
    found["correction"] = model.add_new_points_or_box(state, 3, 1, points=[[22, 30]], labels=[0], clear_old_points=False)
    found |= {f"backward {step[0]}": step for step in model.propagate_in_video(state, reverse=True)}
    model.clear_all_prompts_in_frame(state, 3, 1)
    return {name: logits.numpy() for name, (_, _, logits) in found.items()}


def generated(model: SAM2VideoPredictor, folder: Path) -> Results:
    generator = SAM2AutomaticMaskGenerator(
        model, points_per_side=2, pred_iou_thresh=0, stability_score_thresh=0, crop_n_layers=1, min_mask_region_area=4
    )
    return {str(i): list(one.items()) for i, one in enumerate(generator.generate(COLOURS))}


DONE_WITH_SESSIONS = {"prompts": prompts_and_files, "everything": everything, "axes": axes_and_places}
DONE_OFFICIALLY = {"images": images, "videos": videos, "generated": generated}
DONE = DONE_WITH_SESSIONS | DONE_OFFICIALLY

MODELS = {
    # Windowed and global attention, rotary attention over several memories, pointers: what released models are made of.
    "2.1": lambda: tiny_predictor(TINY_HIERA, fill_hole_area=8, binarize_mask_from_pts_for_mem_enc=True),
    "2.0": lambda: tiny_predictor(
        ModelConfig(
            **{**vars(TINY), "name": "tiny-2.0", "version": "2.0", "trunk": ConvTrunkConfig((16, 16, 16, 16), (1, 1, 1, 1))}
        ),
        non_overlap_masks_for_mem_enc=True,
        non_overlap_masks=True,
    ),
}


@cache
def usual_model(name: str) -> SAM2VideoPredictor:
    return MODELS[name]()


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Results]:
    """What is found without any setting."""

    @cache
    def find(done: str, model: str) -> Results:
        return DONE[done](usual_model(model), tmp_path_factory.mktemp("usual"))

    return find


def assert_same(found: Any, expected: Any, what: str = "") -> None:
    assert type(found) is type(expected), what
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), what
        for key, value in expected.items():
            assert_same(found[key], value, f"{what} {key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), what
        for i, value in enumerate(expected):
            assert_same(found[i], value, f"{what} {i}")
    elif isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), what
        assert found.tobytes() == expected.tobytes(), what
    else:
        assert found == expected, what


# --- the same results ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("done", DONE_WITH_SESSIONS)
@pytest.mark.parametrize("setting", mostly_slow(SETTINGS_OF_SESSIONS))
def test_sessions(setting: str, done: str, usual: Callable[..., Results], tmp_path: Path) -> None:
    expected = usual(done, "2.1")
    assert any(value.any() for name, value in expected.items() if "labels" in name)
    with SETTINGS_OF_SESSIONS[setting]():
        found = DONE[done](MODELS["2.1"](), tmp_path)
    assert_same(found, expected)


@pytest.mark.parametrize("done", DONE_OFFICIALLY)
@pytest.mark.parametrize("setting", mostly_slow(SETTINGS))
def test_official_classes(setting: str, done: str, usual: Callable[..., Results], tmp_path: Path) -> None:
    expected = usual(done, "2.1")
    assert len(expected) > 1
    with SETTINGS[setting]():
        found = DONE[done](MODELS["2.1"](), tmp_path)
    assert_same(found, expected)


@pytest.mark.parametrize("done", ["prompts", "videos"])
@pytest.mark.parametrize("setting", UNLIKE)
def test_the_older_models(setting: str, done: str, usual: Callable[..., Results], tmp_path: Path) -> None:
    expected = usual(done, "2.0")
    with SETTINGS[setting]():
        assert_same(DONE[done](MODELS["2.0"](), tmp_path), expected)


@pytest.mark.parametrize("done", ["prompts", "videos"])
@pytest.mark.parametrize("setting", UNLIKE)
def test_a_setting_while_the_model_is_made_and_not_after(
    setting: str, done: str, usual: Callable[..., Results], tmp_path: Path
) -> None:
    with SETTINGS[setting]():
        model = MODELS["2.1"]()
    assert_same(DONE[done](model, tmp_path), usual(done, "2.1"))


@pytest.mark.parametrize("done", ["prompts", "videos"])
@pytest.mark.parametrize("setting", UNLIKE)
def test_a_setting_after_the_model_was_made_and_used(
    setting: str, done: str, usual: Callable[..., Results], tmp_path: Path
) -> None:
    expected = usual(done, "2.1")
    with SETTINGS[setting]():
        assert_same(DONE[done](usual_model("2.1"), tmp_path), expected)


@cache
def usual_clicks() -> Results:
    return clicks(load_model("micro", "cpu"), Path())


@pytest.mark.parametrize("setting", mostly_slow(SETTINGS_OF_SESSIONS))
def test_the_embedded_model(setting: str) -> None:
    expected = usual_clicks()
    assert set(np.unique(expected["labels"])) == {0, 1, 2}
    with SETTINGS_OF_SESSIONS[setting]():
        assert_same(clicks(load_model("micro", "cpu"), Path()), expected)


def test_settings_that_change_from_call_to_call(usual: Callable[..., Results]) -> None:
    """As another plugin may do it between two clicks."""

    def steps(settings: Iterator[Setting]) -> Results:
        with next(settings)():
            session = Session(MOVIE, "TYX", model=MODELS["2.1"](), zoom=3.0)
            session.add_object()
        with next(settings)():
            session.add_points(1, 0, [(16, 14)])
        with next(settings)():
            session.add_points(1, 0, [(22, 14)], [0])
        propagation = session.propagate()
        for _ in range(T):
            with next(settings)():
                next(propagation, None)
        with next(settings)():
            session.add_points(1, 2, [(18, 14)])
        with next(settings)():
            propagated(session)
        with next(settings)():
            session.undo()
        return of_session(session)

    expected = steps(iter([contextlib.nullcontext] * 9))
    names = list(SETTINGS_OF_SESSIONS)
    for shift in range(len(names)):
        assert_same(steps(iter([SETTINGS_OF_SESSIONS[name] for name in names[shift:] + names[:shift]])), expected, names[shift])


def test_autocast_chooses_the_precision_of_the_official_classes_and_not_of_a_session(tmp_path: Path) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        as_in_official_scripts = images(usual_model("2.1"), tmp_path)
    with inference(torch.device("cpu"), "bfloat16"):
        assert_same(images(usual_model("2.1"), tmp_path), as_in_official_scripts)
    assert as_in_official_scripts["logits 2"].tobytes() != images(usual_model("2.1"), tmp_path)["logits 2"].tobytes()


@pytest.mark.parametrize("setting", mostly_slow(SETTINGS_OF_SESSIONS))
def test_bfloat16_where_it_is_asked_for(setting: str, tmp_path: Path) -> None:
    def find() -> Results:
        session = Session(MOVIE, "TYX", model=usual_model("2.1"), precision="bfloat16")
        session.add_object()
        session.add_points(1, 0, [(16, 14)])
        propagated(session)
        return of_session(session)

    expected = find()
    with SETTINGS_OF_SESSIONS[setting]():
        assert_same(find(), expected)


# --- models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", mostly_slow(SETTINGS_OF_SESSIONS))
def test_fresh_weights(setting: str) -> None:
    def weights() -> Results:
        torch.manual_seed(3)
        built = [build_sam2(TINY_HIERA, device="cpu"), build_sam2_video_predictor(TINY, device="cpu", mode="train")]
        return {f"{i} {key}": value.numpy() for i, model in enumerate(built) for key, value in model.state_dict().items()}

    expected = weights()
    assert {value.dtype for value in expected.values()} == {np.dtype(np.float32)}
    with SETTINGS_OF_SESSIONS[setting]():
        assert_same(weights(), expected)


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
@pytest.mark.parametrize("setting", mostly_slow(SETTINGS_OF_SESSIONS))
def test_weights_in_a_file(setting: str, ending: str, tmp_path: Path) -> None:
    weights = usual_model("2.1").state_dict()
    with SETTINGS_OF_SESSIONS[setting]():
        if ending == "pt":
            torch.save({"model": weights}, tmp_path / "file.pt")
        else:
            save_checkpoint(tmp_path / "file.safetensors", weights, TINY_HIERA)
        model = build_sam2_video_predictor(TINY_HIERA, tmp_path / f"file.{ending}", device="cpu")
    assert_same(
        {key: value.numpy() for key, value in model.state_dict().items()}, {key: value.numpy() for key, value in weights.items()}
    )
    # Made in inference mode, they could not be written to, nor learn, outside of it.
    load_weights(model, tmp_path / f"file.{ending}")
    assert not any(parameter.is_inference() or not parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("setting", UNLIKE)
def test_a_model_that_was_used_can_learn(setting: str, tmp_path: Path) -> None:
    with SETTINGS[setting]():
        model = MODELS["2.1"]()
        videos(model, tmp_path)
    encoded = model.forward_image(torch.zeros(1, 3, 64, 64))
    _, features, positions, sizes = model._prepare_backbone_features(encoded)
    attended = model.memory_attention(
        features[-1], torch.ones(16, 1, 16), positions[-1], torch.ones(16, 1, 16), feat_size=sizes[-1]
    )
    attended.sum().backward()
    assert model.memory_attention.layers[0].cross_attn_image.k_proj.weight.grad.abs().sum() > 0


# --- the rule --------------------------------------------------------------------------------------------------------

FACTORIES = {
    "arange",
    "as_tensor",
    "empty",
    "eye",
    "full",
    "linspace",
    "logspace",
    "ones",
    "rand",
    "randint",
    "randn",
    "randperm",
    "tensor",
    "zeros",
}


def unstated(source: str) -> list[str]:
    """Calls that leave dtype or device to the process, but for parameters and buffers: ``tensor_defaults`` states theirs."""
    tree = ast.parse(source)
    made_by = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node) in MAKERS for part in ast.walk(node)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in made_by]
    found = []
    for call in calls:
        stated = {keyword.arg for keyword in call.keywords}
        if _name(call) in {f"torch.{factory}" for factory in FACTORIES} and not {"dtype", "device"} <= stated:
            found.append(ast.unparse(call))
        if _name(call) == "torch.where" and not any(
            isinstance(part, ast.Name) for value in call.args[1:] for part in ast.walk(value)
        ):
            found.append(ast.unparse(call))
    return found


MAKERS = ("nn.Parameter", "self.register_buffer")


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("torch.zeros(3)", 1),
        ("torch.zeros(3, device=device)", 1),
        ("torch.arange(3, dtype=torch.int64)", 1),
        ("torch.where(mask, 1.0, -1.0)", 1),
        ("torch.where(mask, logits, -1.0)", 0),
        ("torch.zeros(3, dtype=torch.float32, device=device)", 0),
        ("nn.Parameter(2 * torch.ones(3))", 0),
    ],
)
def test_the_rule_finds(source: str, number: int) -> None:
    assert len(unstated(source)) == number


def test_every_tensor_states_its_dtype_and_device() -> None:
    """Training has a process of its own."""
    package = Path(napari_sam2.__file__).parent
    files = [path for path in package.rglob("*.py") if path.parent.name != "training"]
    found = {path.name: calls for path in files if (calls := unstated(path.read_text(encoding="utf-8")))}
    assert len(files) > 100
    assert found == {}
