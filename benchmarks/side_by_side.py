"""How fast is this project beside the official package, on the same weights and frames, in one process, frame by frame in turn?

    python benchmarks/side_by_side.py [--model sam2.1_hiera_t] [--image-size 1024] [--objects 1 4 16] [--frames 12]
        [--precision float32 bfloat16] [--device cpu] [--second-pass] [--only-ours] [--processor-time]

Needs the official package, which the project does not: ``pip install sam2==1.1.0`` in the same environment, or its folder on
``PYTHONPATH``. Weights are random and lively, with objects always present; holes are not filled, for which the official package
needs an extension of its own. Prints for each precision and number of objects the seconds of a click and of a frame, once as many
memories are recalled as ever are (from the 8th frame on), ours and theirs; the median of official / ours with its range; how much
the masks differ. With ``--second-pass`` the frames are tracked once more. On a machine that is busy with other things,
``--processor-time`` with ``OMP_NUM_THREADS=1`` counts what the process computed instead of the time that passed.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from napari_sam2 import build_sam2_video_predictor
from napari_sam2.model.config import MODEL_CONFIGS
from napari_sam2.weights.registry import resolve_model_name

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from keyed_weights import keyed_state_dict

STEADY_FROM = 8

clock = time.perf_counter


def lively_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights of the goldens, by which masks depend on images, prompts and memories; every object is present."""
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    weights = {name: torch.from_numpy(value) for name, value in keyed_state_dict(shapes).items()}
    weights["sam_mask_decoder.pred_obj_score_head.layers.2.bias"] += 1000
    return weights


def drawn_frames(count: int, side: int) -> Iterator[Image.Image]:
    """Discs that drift over waves, (side, side, 3)."""
    rows, columns = np.mgrid[:side, :side] / side
    for t in range(count):
        image = 100 + 40 * np.sin(25 * columns + 9 * rows + t / 4)
        for number in range(16):
            row, column = (0.15 + 0.23 * (number // 4) + 0.004 * t), (0.15 + 0.23 * (number % 4) + 0.006 * t)
            image[np.hypot(rows - row, columns - column) < 0.06] = 60 + 10 * number
        yield Image.fromarray(np.stack([image, image[::-1], image.T], -1).clip(0, 255).astype(np.uint8))


def clicked(predictor: Any, folder: Path, num_objects: int) -> tuple[Any, list[float]]:
    """Click objects on the first frame; return the predictor's state and the seconds of each click."""
    state, seconds = predictor.init_state(str(folder)), []
    side = state["video_width"]
    for number in range(num_objects):
        point = [[side * (0.15 + 0.23 * (number % 4)), side * (0.15 + 0.23 * (number // 4))]]
        seconds.append(
            timed(predictor, lambda n=number, p=point: predictor.add_new_points_or_box(state, 0, n, points=p, labels=[1]))[0]
        )
    return state, seconds


def timed(predictor: Any, run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call took, its device included, and what it returned."""
    started = clock()
    result = run()
    if predictor.device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - started, result


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def compare(predictors: dict[str, Any], folder: Path, num_objects: int, passes: int) -> None:
    """Track with all predictors in turn, and print what they took."""
    states = {}
    for name, predictor in predictors.items():
        states[name], clicks = clicked(predictor, folder, num_objects)
        print(f"    {name}: first click {clicks[0]:.3f} s" + (f", later ones {spread(clicks[1:])}" if clicks[1:] else ""))
    for number in range(passes):
        runs = {name: predictor.propagate_in_video(states[name]) for name, predictor in predictors.items()}
        seconds: dict[str, list[float]] = {name: [] for name in predictors}
        overlaps: list[float] = []
        while True:
            masks = []
            for name in predictors if len(seconds["ours"]) % 2 else reversed(predictors):
                took, found = timed(predictors[name], lambda run=runs[name]: next(run, None))
                if found is not None:
                    seconds[name].append(took)
                    masks.append(found[2] > 0)
            if not masks:
                break
            if len(masks) == 2:
                shared, either = (masks[0] & masks[1]).flatten(1).sum(1), (masks[0] | masks[1]).flatten(1).sum(1)
                overlaps += (shared / either)[either > 0].tolist()
        steady = {name: values[STEADY_FROM:] for name, values in seconds.items()}
        for name, values in steady.items():
            print(f"    {name}, pass {number + 1}: {spread(values)} s a frame")
        if "official" in steady:
            ratios = [theirs / ours for theirs, ours in zip(steady["official"], steady["ours"], strict=True)]
            low = np.percentile(overlaps, 5)
            print(f"    official / ours {spread(ratios)}")
            print(f"    IoU of their masks and ours: mean {np.mean(overlaps):.4f}, 5 % {low:.4f}, least {min(overlaps):.4f}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="sam2.1_hiera_t")
    parser.add_argument("--image-size", type=int, default=1024)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--second-pass", action="store_true")
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--processor-time", action="store_true")
    args = parser.parse_args()
    if args.processor_time:
        global clock
        clock = time.process_time

    name = resolve_model_name(args.model)
    changes = [f"++model.image_size={args.image_size}", "++model.fill_hole_area=0"]
    ours = build_sam2_video_predictor(MODEL_CONFIGS[name], device=args.device, hydra_overrides_extra=changes)
    ours.load_state_dict(lively_weights(ours))
    predictors = {"ours": ours}
    if not args.only_ours:
        with contextlib.suppress(ModuleNotFoundError):
            import torchvision_shim  # type: ignore[import-not-found]  # noqa: F401 - where torchvision was built for another torch
        from sam2.build_sam import build_sam2_video_predictor as official  # type: ignore[import-not-found]

        path = f"configs/{name.split('_')[0]}/{name}.yaml"
        predictors["official"] = official(path, None, device=args.device, hydra_overrides_extra=changes)
        predictors["official"].load_state_dict(lively_weights(ours))
    print(f"{name} at {args.image_size}, {args.device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    with TemporaryDirectory() as folder:
        for number, frame in enumerate(drawn_frames(args.frames, args.image_size)):
            frame.save(Path(folder, f"{number:05}.jpg"), quality=95)
        for precision in args.precision:
            for num_objects in args.objects:
                print(f"  {precision}, {num_objects} objects")
                enabled = precision == "bfloat16"
                with torch.inference_mode(), torch.autocast(args.device, torch.bfloat16, enabled=enabled):
                    compare(predictors, Path(folder), num_objects, 2 if args.second_pass else 1)


if __name__ == "__main__":
    main()
