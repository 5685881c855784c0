"""Calls of the official API, and the facts of what they return: containers, keys, shapes, dtypes. See ``tests/golden/README.md``.

The same calls were made of the official package, which recorded ``golden/official_api.json``, and are made of this one by
``predictors/test_official_api.py``. No package is imported here: :class:`Package` holds the one that is asked.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import GeneratorType
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from golden_files import fill_with_keyed_weights

CONFIG = "configs/sam2.1/sam2.1_hiera_t.yaml"
IMAGE_SIZE = 128
SIZED = [f"++model.image_size={IMAGE_SIZE}"]
SEED = 0
HEIGHT, WIDTH, NUM_FRAMES = 40, 56, 4

STATE_KEYS = ("images", "num_frames", "video_height", "video_width", "device", "storage_device")
OBJECT_KEYS = ("obj_id_to_idx", "obj_idx_to_id", "obj_ids")
"""Of the state of a video, what scripts read; the other keys are the official class's own books."""


class Package(NamedTuple):
    """The public names of the official package, and what makes its image predictor fit a model of ``IMAGE_SIZE``."""

    build_sam2: Callable[..., Any]
    build_sam2_hf: Callable[..., Any]
    build_sam2_video_predictor: Callable[..., Any]
    build_sam2_video_predictor_hf: Callable[..., Any]
    SAM2ImagePredictor: type
    SAM2VideoPredictor: type
    SAM2AutomaticMaskGenerator: type
    fit: Callable[[Any], Any] = lambda predictor: predictor


# --- facts ---------------------------------------------------------------------------------------------------------


def value_range(values: np.ndarray) -> str:
    """Say in which of a few ranges values lie."""
    if values.size == 0:
        return "empty"
    low, high = float(values.min()), float(values.max())
    if bool(np.isin(values, (0, 1)).all()):
        return "0 or 1"
    if low >= 0 and high <= 1:
        return "0 .. 1"
    return "-32 .. 32" if max(-low, high) <= 32 else "any"


def facts(value: Any) -> Any:
    """Describe a value by what a script can rely on; whole numbers and truths are themselves."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, torch.device):
        return {"type": "device", "is": str(value)}
    if isinstance(value, torch.Tensor):
        return {
            "type": "Tensor",
            "dtype": str(value.dtype),
            "shape": list(value.shape),
            "device": str(value.device),
            "requires_grad": value.requires_grad,
            "is_inference": value.is_inference(),
            "range": value_range(value.detach().float().numpy()),
        }
    if isinstance(value, np.ndarray):
        return {
            "type": "ndarray",
            "dtype": str(value.dtype),
            "shape": list(value.shape),
            "writeable": value.flags.writeable,
            "range": value_range(value),
        }
    if isinstance(value, Mapping):
        kind = "dict" if isinstance(value, dict) else type(value).__name__
        return {"type": kind, "items": [[key, facts(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"type": type(value).__name__, "items": [facts(item) for item in value]}
    if isinstance(value, GeneratorType):
        return {"type": "generator", "yields": [facts(item) for item in value]}
    if isinstance(value, torch.nn.Module):
        return {
            "type": type(value).__name__,
            "training": value.training,
            "parameters": sorted({f"{one.dtype} {one.device} requires_grad={one.requires_grad}" for one in value.parameters()}),
        }
    return {"type": type(value).__name__}


def facts_of_call(call: Callable[[], Any]) -> Any:
    """Describe what a call returns or raises."""
    try:
        return facts(call())
    except Exception as error:
        return {"raises": type(error).__name__, "names": re.findall(r"set_image\w*", str(error))}


def signature(function: Callable[..., Any]) -> list[list[str]]:
    """Names and defaults of the arguments that may be given by place, and the kinds of those that collect the rest."""
    arguments = []
    for argument in inspect.signature(function).parameters.values():
        if argument.kind is not argument.KEYWORD_ONLY:
            default = "" if argument.default is argument.empty else repr(argument.default)
            starred = {argument.VAR_POSITIONAL: "*", argument.VAR_KEYWORD: "**"}.get(argument.kind, "")
            arguments.append([starred + argument.name, default])
    return arguments


# --- calls ---------------------------------------------------------------------------------------------------------


def picture(height: int = HEIGHT, width: int = WIDTH, phase: float = 0.0) -> np.ndarray:
    """Waves, (height, width, 3), uint8."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(phase + y / (3 + c) + x / (7 - c)) for c in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def write_frames(folder: Path) -> Path:
    """Write a folder of JPEG frames."""
    folder.mkdir(parents=True)
    for t in range(NUM_FRAMES):
        Image.fromarray(picture(phase=0.3 * t)).save(folder / f"{t:05d}.jpg", quality=95)
    return folder


def signatures(package: Package) -> dict[str, Any]:
    """Arguments of every public function and method."""
    functions = {name: getattr(package, name) for name in package._fields if name.startswith("build")}
    methods = {
        "SAM2ImagePredictor": [
            "set_image",
            "set_image_batch",
            "predict",
            "predict_batch",
            "get_image_embedding",
            "reset_predictor",
        ],
        "SAM2VideoPredictor": [
            "init_state",
            "add_new_points_or_box",
            "add_new_points",
            "add_new_mask",
            "propagate_in_video_preflight",
            "propagate_in_video",
            "clear_all_prompts_in_frame",
            "reset_state",
            "remove_object",
        ],
        "SAM2AutomaticMaskGenerator": ["generate"],
    }
    for owner, names in methods.items():
        functions |= {f"{owner}.{name}": getattr(getattr(package, owner), name) for name in ("__init__", "from_pretrained", *names)}
    return {f"signature of {name}": signature(function) for name, function in functions.items()}


def attributes(package: Package, model: torch.nn.Module, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Public attributes of what scripts hold, those of ``torch.nn.Module`` apart; only ``names`` where they are given."""
    holders = {
        "build_sam2(...)": model,
        "build_sam2_video_predictor(...)": package.build_sam2_video_predictor(CONFIG, device="cpu", hydra_overrides_extra=SIZED),
        "SAM2ImagePredictor(...)": package.SAM2ImagePredictor(model),
        "SAM2AutomaticMaskGenerator(...)": package.SAM2AutomaticMaskGenerator(model),
    }
    common = set(dir(torch.nn.Module()))
    found = {}
    for holder, value in holders.items():
        for name in dir(value):
            if not name.startswith("_") and name not in common and (names is None or f"{holder}.{name}" in names):
                found[f"{holder}.{name}"] = attribute_kind(getattr(value, name))
    return found


def attribute_kind(value: Any) -> Any:
    """Say what an attribute is; numbers are themselves."""
    if isinstance(value, torch.nn.Module):
        return "Module"
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, Mapping):
        return "mapping"
    return "method" if callable(value) else type(value).__name__


def builders(package: Package) -> dict[str, Any]:
    """What is built."""
    arguments: dict[str, Any] = {"device": "cpu", "hydra_overrides_extra": SIZED}
    return {
        "build_sam2": facts(package.build_sam2(CONFIG, **arguments)),
        "build_sam2, mode train": facts(package.build_sam2(CONFIG, mode="train", **arguments)),
        "build_sam2, no postprocessing": facts(package.build_sam2(CONFIG, apply_postprocessing=False, **arguments)),
        "build_sam2_video_predictor": facts(package.build_sam2_video_predictor(CONFIG, **arguments)),
        "build_sam2_video_predictor, mode train": facts(package.build_sam2_video_predictor(CONFIG, mode="train", **arguments)),
    }


def image_model(package: Package) -> torch.nn.Module:
    """An image model with keyed weights."""
    model: torch.nn.Module = package.build_sam2(CONFIG, device="cpu", hydra_overrides_extra=SIZED)
    fill_with_keyed_weights(model, SEED)
    return model


POINT = {"point_coords": np.array([[20.0, 15.0]]), "point_labels": np.array([1])}
POINTS = {"point_coords": np.array([[20.0, 15.0], [40.0, 30.0], [8.0, 8.0]]), "point_labels": np.array([1, 0, 1])}
POINT_BATCH = {"point_coords": np.array([[[20.0, 15.0]], [[40.0, 30.0]]]), "point_labels": np.array([[1], [1]])}
BOX = np.array([5.0, 6.0, 40.0, 30.0])
BOXES = np.array([[5.0, 6.0, 40.0, 30.0], [10.0, 2.0, 50.0, 20.0], [0.0, 0.0, 20.0, 39.0]])
LOGITS = np.linspace(-8, 8, (IMAGE_SIZE // 4) ** 2, dtype=np.float32).reshape(1, IMAGE_SIZE // 4, IMAGE_SIZE // 4)
PREDICTIONS: dict[str, dict[str, Any]] = {
    "a point": POINT,
    "a point, one mask": {**POINT, "multimask_output": False},
    "a point, logits": {**POINT, "return_logits": True},
    "a point, one mask, logits": {**POINT, "multimask_output": False, "return_logits": True},
    "a point as lists": {"point_coords": [[20, 15]], "point_labels": [1]},
    "a point as tensors": {"point_coords": torch.tensor([[20, 15]]), "point_labels": torch.tensor([1])},
    "a relative point": {"point_coords": np.array([[0.5, 0.5]]), "point_labels": np.array([1]), "normalize_coords": False},
    "points": POINTS,
    "points in a batch": POINT_BATCH,
    "points in a batch, one mask": {**POINT_BATCH, "multimask_output": False},
    "points in a batch of one": {key: value[:1] for key, value in POINT_BATCH.items()},
    "a box": {"box": BOX},
    "a box, one mask": {"box": BOX, "multimask_output": False},
    "a box with one row": {"box": BOX[None], "multimask_output": False},
    "a box as a list": {"box": BOX.tolist()},
    "a box and a point": {"box": BOX, **POINT},
    "boxes": {"box": BOXES},
    "boxes, one mask": {"box": BOXES, "multimask_output": False},
    "boxes, one mask, logits": {"box": BOXES, "multimask_output": False, "return_logits": True},
    "a mask": {"mask_input": LOGITS},
    "a mask, one mask": {"mask_input": LOGITS, "multimask_output": False},
    "a mask in a batch of one": {"mask_input": LOGITS[None], "multimask_output": False},
    "a mask and a point": {"mask_input": LOGITS, **POINT, "multimask_output": False},
    "a mask and boxes": {"mask_input": np.stack([LOGITS] * 3), "box": BOXES, "multimask_output": False},
    "no prompt": {},
    "no prompt, one mask": {"multimask_output": False},
    "a point without labels": {"point_coords": np.array([[20.0, 15.0]])},
    "labels without a point": {"point_labels": np.array([1])},
}


def image_predictor(package: Package, model: torch.nn.Module) -> dict[str, Any]:
    """What ``SAM2ImagePredictor`` returns."""
    predictor = package.fit(package.SAM2ImagePredictor(model))
    found = {"device": facts(predictor.device)}
    for name in ("model", "mask_threshold", "_is_image_set", "_is_batch", "_orig_hw", "_features"):
        found[name] = facts(getattr(predictor, name))
    found["mask_threshold given"] = facts(package.SAM2ImagePredictor(predictor.model, mask_threshold=0.5).mask_threshold)
    for name in ("predict", "get_image_embedding"):
        found[f"{name} before set_image"] = facts_of_call(getattr(predictor, name))
    found["predict_batch before set_image_batch"] = facts_of_call(predictor.predict_batch)

    def state(after: str) -> None:
        for name in ("_is_image_set", "_is_batch", "_orig_hw", "_features"):
            found[f"{name} after {after}"] = facts(getattr(predictor, name))
        found[f"get_image_embedding after {after}"] = facts_of_call(predictor.get_image_embedding)

    for name, image in {
        "an array": picture(),
        "a PIL image": Image.fromarray(picture()),
        "a list": picture().tolist(),
        "None": None,
        "a grey array": picture()[..., 0],
        "a grey PIL image": Image.fromarray(picture()[..., 0]),
        "an array of floats": picture().astype(np.float32) / 255,
        "four channels": np.zeros((HEIGHT, WIDTH, 4), np.uint8),
    }.items():
        predictor.reset_predictor()
        found[f"set_image, {name}"] = facts_of_call(lambda image=image: predictor.set_image(image))
        found[f"_is_image_set after set_image, {name}"] = predictor._is_image_set

    predictor.set_image(picture())
    state("set_image")
    for name, arguments in PREDICTIONS.items():
        found[f"predict, {name}"] = facts_of_call(lambda arguments=arguments: predictor.predict(**arguments))
    found["predict_batch after set_image"] = facts_of_call(predictor.predict_batch)
    found |= private_steps(predictor)
    with torch.autocast("cpu", torch.bfloat16):
        predictor.set_image(picture())
        state("set_image under autocast")
        found["predict under autocast"] = facts(predictor.predict(**POINT))
        found["predict under autocast, logits"] = facts(predictor.predict(**POINT, return_logits=True))
    with torch.inference_mode():
        predictor.set_image(picture())
        state("set_image in inference mode")
        found["predict in inference mode"] = facts(predictor.predict(**POINT))
    found["reset_predictor"] = facts_of_call(predictor.reset_predictor)
    state("reset_predictor")
    found["predict after reset_predictor"] = facts_of_call(lambda: predictor.predict(**POINT))

    images = [picture(), picture(30, 50, 1.0)]
    found["set_image_batch"] = facts_of_call(lambda: predictor.set_image_batch(images))
    state("set_image_batch")
    for name, batch in {
        "a point each": {"point_coords_batch": [POINT["point_coords"]] * 2, "point_labels_batch": [POINT["point_labels"]] * 2},
        "points in a batch each": {
            "point_coords_batch": [POINT_BATCH["point_coords"]] * 2,
            "point_labels_batch": [POINT_BATCH["point_labels"]] * 2,
            "multimask_output": False,
        },
        "a box each, logits": {"box_batch": [BOX, BOX], "multimask_output": False, "return_logits": True},
        "one box and three": {"box_batch": [BOX, BOXES], "multimask_output": False},
        "a mask each": {"mask_input_batch": [LOGITS, LOGITS], "multimask_output": False},
        "no prompt": {},
    }.items():
        found[f"predict_batch, {name}"] = facts_of_call(lambda batch=batch: predictor.predict_batch(**batch))
    found["predict after set_image_batch"] = facts_of_call(lambda: predictor.predict(**POINT))
    found["set_image_batch, no image"] = facts_of_call(lambda: predictor.set_image_batch([]))
    found["set_image_batch, a tuple"] = facts_of_call(lambda: predictor.set_image_batch(tuple(images)))
    return found


def private_steps(predictor: Any) -> dict[str, Any]:
    """The steps inside ``predict`` that public fine-tuning scripts call."""
    size = predictor._orig_hw[-1]
    low_res = torch.from_numpy(LOGITS)[None]
    mask, coords, labels, box = predictor._prep_prompts(**POINT, box=BOX, mask_logits=LOGITS, normalize_coords=True)
    transforms = predictor._transforms
    return {
        "_prep_prompts": facts((mask, coords, labels, box)),
        "_prep_prompts, several boxes": facts(predictor._prep_prompts(None, None, BOXES, None, True)),
        "_predict": facts(predictor._predict(coords, labels, box, mask)),
        "_predict, logits": facts(predictor._predict(coords, labels, multimask_output=False, return_logits=True)),
        "_transforms, an array": facts(transforms(picture())),
        "_transforms.forward_batch": facts(transforms.forward_batch([picture(), picture(30, 50)])),
        "_transforms.transform_coords": facts(
            transforms.transform_coords(torch.tensor([[20.0, 15.0]]), normalize=True, orig_hw=size)
        ),
        "_transforms.transform_coords, relative": facts(transforms.transform_coords(torch.tensor([[0.5, 0.5]]))),
        "_transforms.transform_boxes": facts(transforms.transform_boxes(torch.from_numpy(BOXES), normalize=True, orig_hw=size)),
        "_transforms.postprocess_masks": facts(transforms.postprocess_masks(low_res, size)),
        "_transforms.resolution": facts(transforms.resolution),
    }


def video_predictor(package: Package, folder: Path) -> dict[str, Any]:
    """What ``SAM2VideoPredictor`` returns. ``folder`` is where frames may be written."""
    predictor = package.build_sam2_video_predictor(CONFIG, device="cpu", hydra_overrides_extra=SIZED)
    fill_with_keyed_weights(predictor, SEED)
    # Random weights mostly see nothing; masks of objects that are there say more.
    predictor.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data += 10
    frames = str(write_frames(folder / "frames"))
    (folder / "empty").mkdir()
    return {
        **opened_videos(predictor, frames, folder),
        **refused_prompts(predictor, frames),
        **tracked_objects(predictor, frames),
        **objects_under_autocast(predictor, frames),
    }


def opened_videos(predictor: Any, frames: str, folder: Path) -> dict[str, Any]:
    """``init_state`` and what can be read from its result."""
    state = predictor.init_state(video_path=frames)
    images = state["images"]
    calls: dict[str, Callable[[], Any]] = {
        "init_state": lambda: type(state).__name__,
        "init_state, keys": lambda: list(state),
        **{f"state[{key!r}]": lambda key=key: state[key] for key in (*STATE_KEYS, *OBJECT_KEYS)},  # type: ignore[misc]
        "state['images'][0]": lambda: images[0],
        "len(state['images'])": lambda: len(images),
        "for image in state['images']": lambda: [list(image.shape) for image in images],
        "'obj_ids' in state": lambda: "obj_ids" in state,
        "'nothing' in state": lambda: "nothing" in state,
        "state['nothing']": lambda: state["nothing"],
        "state.get('nothing')": lambda: state.get("nothing"),
        "state.get('video_height')": lambda: state.get("video_height"),
        "init_state, offloaded": lambda: predictor.init_state(frames, True, True)["storage_device"],
        "init_state, loading frames in the background": lambda: len(
            predictor.init_state(frames, async_loading_frames=True)["images"]
        ),
        "init_state, no such folder": lambda: predictor.init_state(str(folder / "nowhere")),
        "init_state, an empty folder": lambda: predictor.init_state(str(folder / "empty")),
    }
    return {name: facts_of_call(call) for name, call in calls.items()}


def refused_prompts(predictor: Any, frames: str) -> dict[str, Any]:
    """Calls that make no sense, each on a video without objects."""
    calls: dict[str, Callable[[Any], Any]] = {
        "propagate_in_video without a prompt": lambda state: list(predictor.propagate_in_video(state)),
        "propagate_in_video_preflight without a prompt": predictor.propagate_in_video_preflight,
        "clear_all_prompts_in_frame of no object": lambda state: predictor.clear_all_prompts_in_frame(state, 0, 5),
        "remove_object of no object": lambda state: predictor.remove_object(state, 5),
        "remove_object of no object, strict": lambda state: predictor.remove_object(state, 5, strict=True),
        "add_new_points_or_box of nothing": lambda state: predictor.add_new_points_or_box(state, 0, 1),
        "add_new_points_or_box, points alone": lambda state: predictor.add_new_points_or_box(state, 0, 1, points=[[20, 15]]),
        "add_new_points_or_box, labels alone": lambda state: predictor.add_new_points_or_box(state, 0, 1, labels=[1]),
        "add_new_points_or_box, a box that keeps points": lambda state: predictor.add_new_points_or_box(
            state, 0, 1, box=BOX, clear_old_points=False
        ),
        "add_new_points_or_box, a frame that is not there": lambda state: predictor.add_new_points_or_box(
            state, NUM_FRAMES, 1, points=[[20, 15]], labels=[1]
        ),
        "add_new_mask, three dimensions": lambda state: predictor.add_new_mask(state, 0, 1, np.ones((1, HEIGHT, WIDTH), bool)),
        "add_new_mask, a frame that is not there": lambda state: predictor.add_new_mask(
            state, NUM_FRAMES, 1, np.ones((HEIGHT, WIDTH), bool)
        ),
    }
    found = {}
    state = predictor.init_state(frames)
    for name, call in calls.items():
        predictor.reset_state(state)
        found[name] = facts_of_call(lambda call=call: call(state))
        found[f"objects after {name}"] = facts(state["obj_ids"])
    return found


def tracked_objects(predictor: Any, frames: str) -> dict[str, Any]:
    """A session: prompts, propagation, corrections, removal."""
    state = predictor.init_state(frames)
    points = np.array([[20, 15], [40, 30]], np.float32)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:25, 12:40] = True
    one = {"points": [[20, 15]], "labels": [1]}
    as_tensors = {"points": torch.tensor([[0.5, 0.5]]), "labels": torch.tensor([1]), "normalize_coords": False}

    def add(frame: int, obj_id: Any, **prompt: Any) -> Callable[[], Any]:
        return lambda: predictor.add_new_points_or_box(inference_state=state, frame_idx=frame, obj_id=obj_id, **prompt)

    def books() -> dict[str, Any]:
        return {key: state[key] for key in OBJECT_KEYS}

    calls: dict[str, Callable[[], Any]] = {
        "add_new_points_or_box, points": add(0, 7, points=points, labels=np.array([1, 0], np.int32)),
        "add_new_points_or_box, one more point": add(0, 7, points=[[10, 12]], labels=[1], clear_old_points=False),
        "add_new_points_or_box, a box": add(0, 3, box=BOX),
        "add_new_points_or_box, a box as a list": add(0, 3, box=BOX.tolist()),
        "add_new_points_or_box, a box and a point": add(0, 3, box=BOX, **one),
        "add_new_points_or_box, a point after a box": add(0, 3, **one, clear_old_points=False),
        "add_new_points_or_box, relative, tensors": add(0, 3, **as_tensors),
        "add_new_points": lambda: predictor.add_new_points(state, 0, 3, **one),
        "add_new_mask": lambda: predictor.add_new_mask(inference_state=state, frame_idx=0, obj_id=9, mask=mask),
        "add_new_mask, a tensor": lambda: predictor.add_new_mask(state, 0, 9, torch.from_numpy(mask)),
        "add_new_mask, whole numbers": lambda: predictor.add_new_mask(state, 0, 9, mask.astype(np.uint8)),
        "add_new_mask, of the size of the model": lambda: predictor.add_new_mask(state, 0, 9, np.ones((IMAGE_SIZE, IMAGE_SIZE))),
        "objects after prompts": books,
        "propagate_in_video_preflight": lambda: predictor.propagate_in_video_preflight(state),
        "propagate_in_video": lambda: predictor.propagate_in_video(state),
        "propagate_in_video, a part": lambda: predictor.propagate_in_video(state, start_frame_idx=1, max_frame_num_to_track=1),
        "propagate_in_video, reverse": lambda: predictor.propagate_in_video(state, start_frame_idx=2, reverse=True),
        "propagate_in_video, reverse from 0": lambda: predictor.propagate_in_video(state, start_frame_idx=0, reverse=True),
        "add_new_points_or_box, a correction": add(2, 3, points=[[30, 10]], labels=[0]),
        "add_new_points_or_box, a new object after tracking": add(2, "cell", points=[[30, 10]], labels=[1]),
        "objects after a new one": books,
        "clear_all_prompts_in_frame": lambda: predictor.clear_all_prompts_in_frame(state, 2, 3),
        "clear_all_prompts_in_frame, no output": lambda: predictor.clear_all_prompts_in_frame(state, 2, 3, need_output=False),
        "remove_object": lambda: predictor.remove_object(state, 3),
        "remove_object, no output": lambda: predictor.remove_object(state, 9, need_output=False),
        "remove_object of no object, others left": lambda: predictor.remove_object(state, 5),
        "objects after remove_object": books,
        "propagate_in_video after remove_object": lambda: predictor.propagate_in_video(state, start_frame_idx=2),
        "remove_object, the last but one": lambda: predictor.remove_object(state, "cell"),
        "remove_object, the last one": lambda: predictor.remove_object(state, 7),
        "objects after the last one was removed": books,
        "add_new_points_or_box, a numpy id": add(np.int64(1), np.int64(4), **one),
        "reset_state": lambda: predictor.reset_state(state),
        "objects after reset_state": books,
    }
    return {name: facts_of_call(call) for name, call in calls.items()}


def objects_under_autocast(predictor: Any, frames: str) -> dict[str, Any]:
    """Results as official examples get them."""
    with torch.autocast("cpu", torch.bfloat16):
        state = predictor.init_state(frames)
        return {
            "add_new_points_or_box under autocast": facts(
                predictor.add_new_points_or_box(state, 0, 1, points=[[20, 15]], labels=[1])
            ),
            "propagate_in_video under autocast": facts(predictor.propagate_in_video(state, max_frame_num_to_track=1)),
        }


GENERATORS: dict[str, dict[str, Any]] = {
    "binary_mask": {},
    "uncompressed_rle": {"output_mode": "uncompressed_rle"},
    "coco_rle": {"output_mode": "coco_rle"},
    "crops": {"crop_n_layers": 1},
    "one mask for each point": {"multimask_output": False},
    "masks predicted again": {"use_m2m": True},
    "own points": {"points_per_side": None, "point_grids": [np.array([[0.5, 0.5]])]},
    "nothing found": {"pred_iou_thresh": 1.1},
    "no points": {"points_per_side": None},
    "points twice": {"point_grids": [np.array([[0.5, 0.5]])]},
    "an unknown output mode": {"output_mode": "png"},
}


def automatic_mask_generator(package: Package, model: torch.nn.Module) -> dict[str, Any]:
    """What ``SAM2AutomaticMaskGenerator`` returns."""
    found = {}
    for name, options in GENERATORS.items():

        def generate(options: dict[str, Any] = options) -> Any:
            arguments = {"points_per_side": 2, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, **options}
            generator = package.SAM2AutomaticMaskGenerator(model, **arguments)
            package.fit(generator.predictor)
            return annotation_types(generator.generate(picture()))

        found[f"generate, {name}"] = facts_of_call(generate)
    return found


def annotation_types(annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """Describe annotations. Their number and numbers depend on the weights: it is one description for all of them."""
    described = [
        [[key, facts(value) if isinstance(value, np.ndarray) else type_names(value)] for key, value in annotation.items()]
        for annotation in annotations
    ]
    alike = all(one == described[0] for one in described)
    return {
        "container": type(annotations).__name__,
        "each": described[0] if described else [],
        "alike": alike,
    }


def type_names(value: Any) -> Any:
    """Name the types in a value: of a list of any length, those that occur."""
    if isinstance(value, dict):
        return {key: type_names(item) for key, item in value.items()}
    if isinstance(value, list):
        kinds = [type_names(item) for item in value]
        return {"list of": [kind for place, kind in enumerate(kinds) if kind not in kinds[:place]]}
    return type(value).__name__


def official_facts(package: Package, folder: Path) -> dict[str, dict[str, Any]]:
    """Everything, by part. ``folder`` is where frames may be written."""
    model = image_model(package)
    return {
        "signatures": signatures(package),
        "attributes": attributes(package, model),
        "builders": builders(package),
        "image_predictor": image_predictor(package, model),
        "video_predictor": video_predictor(package, folder),
        "automatic_mask_generator": automatic_mask_generator(package, model),
    }
