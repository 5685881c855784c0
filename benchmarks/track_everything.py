"""How well is everything tracked without a prompt, beside thresholds and LapTrack?

    python benchmarks/track_everything.py [--image IMAGE --truth LABELS --parents TABLE] [--seeds 20] [--first-seed 0]
                                          [--model micro]

Tracks a labelled time-lapse (default: fluo_mitocheck, which comes with the package), the volume that comes with it, and drawn
movies with exact labels, one for each seed, in which cells divide, enter, leave and cross (see synthetic_movies.py). Beside
``session.track_everything`` two common ways: on each frame a threshold by Otsu, or this cut by a watershed of the distance
transform, linked by LapTrack with divisions. Prints SEG, DET and TRA of the Cell Tracking Challenge, the F1 of divisions (right
parent and both children, within one frame), and seconds; over seeds the mean, and the mean of the worst quarter of them for each
figure. Of the volume it prints how many objects are found with an IoU of at least one half, how many are too many, and the mean IoU
in 3-D, where an object that is less than half covered counts 0.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import tifffile
from scipy import ndimage as ndi
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label, regionprops_table
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

from napari_sam2 import Session, load_model
from napari_sam2.cli.export import read_lineage
from napari_sam2.data.samples import FLUO_MITOCHECK, VOL_EMBRYO_8CELL
from napari_sam2.evaluation.tracks import check_installed, division_scores, track_scores
from synthetic_movies import synthetic_movie

LEAST_AREA_PX = 15
LINK_DIAMETERS = 1.0
"""LapTrack links over at most that distance, in median diameters of what was found."""
WORST = 4
LEAST_IOU = 0.5

Labels = npt.NDArray[np.integer]
Tracks = tuple[Labels, Mapping[int, int]]


class Row(NamedTuple):
    """Figures of a movie, or of several."""

    seg: float
    det: float
    tra: float
    divisions: float
    seconds: float


def by_session(model: Any) -> Callable[[Labels], Tracks]:
    """Track everything by a session."""

    def tracked(frames: Labels) -> Tracks:
        with Session(frames, "TYX", model) as session:
            for _ in session.track_everything():
                pass
            return np.array(session.labels), dict(session.lineage)

    return tracked


def by_laptrack(masks_of: Callable[[Labels], Labels]) -> Callable[[Labels], Tracks]:
    """Segment each frame, and link by LapTrack."""

    def tracked(frames: Labels) -> Tracks:
        planes = np.stack([masks_of(frame) for frame in frames])
        tables = [
            pd.DataFrame(regionprops_table(plane, properties=("label", "centroid", "area"))).assign(frame=frame)
            for frame, plane in enumerate(planes)
        ]
        table = pd.concat([one for one in tables if len(one)], ignore_index=True)
        reach = (LINK_DIAMETERS * 2 * np.sqrt(table["area"].median() / np.pi)) ** 2
        linker = LapTrack(cutoff=reach, gap_closing_cutoff=reach, splitting_cutoff=reach)
        linked, splits, _ = linker.predict_dataframe(table, ["centroid-0", "centroid-1"], only_coordinate_cols=False)
        found = np.zeros_like(planes)
        for frame, number, track_id in zip(table["frame"], table["label"], linked["track_id"], strict=True):
            found[frame][planes[frame] == number] = track_id + 1
        lineage = {int(split.child_track_id) + 1: int(split.parent_track_id) + 1 for split in splits.itertuples()}
        return found, lineage

    return tracked


def otsu(frame: Labels) -> Labels:
    """Label what is brighter than a threshold."""
    smooth = gaussian(frame.astype(float), 1)
    return np.asarray(label(remove_small_objects(smooth > threshold_otsu(smooth), max_size=LEAST_AREA_PX - 1)))


def otsu_and_watershed(frame: Labels) -> Labels:
    """Label what is brighter than a threshold, cut at its waists."""
    mask = otsu(frame) > 0
    distance = gaussian(ndi.distance_transform_edt(mask), 1)
    peaks = peak_local_max(distance, min_distance=4, labels=label(mask), exclude_border=False)
    markers = np.zeros(mask.shape, int)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-distance, markers, mask=mask))


def measure(track: Callable[[Labels], Tracks], frames: Labels, truth: Labels, lineage: Mapping[int, int]) -> Row:
    """Track, and score."""
    started = time.perf_counter()
    found, found_lineage = track(frames)
    seconds = time.perf_counter() - started
    scores = track_scores(truth, found, np.unique(truth[truth > 0]), lineage, found_lineage)
    return Row(scores.seg, scores.det, scores.tra, division_scores(truth, found, lineage, found_lineage).f1, seconds)


def show(name: str, row: Row) -> None:
    """Print a line of the table."""
    figures = " | ".join(f"{value:.3f}" for value in row[:-1])
    print(f"| {name} | {figures} | {row.seconds:.1f} |", flush=True)


def show_head(title: str) -> None:
    """Print the head of a table."""
    print(f"\n| {title} | SEG | DET | TRA | division F1 | s |\n| --- | --- | --- | --- | --- | --- |", flush=True)


def show_volume(model: Any) -> None:
    """Track the bundled volume, and print its figures."""
    truth, started = tifffile.imread(VOL_EMBRYO_8CELL.masks), time.perf_counter()
    with Session(tifffile.imread(VOL_EMBRYO_8CELL.image), "ZYX", model) as session:
        for _ in session.track_everything():
            pass
        found = np.array(session.labels)
    seconds, ious, partners = time.perf_counter() - started, list[float](), set[int]()
    for value in np.unique(truth[truth > 0]):
        wanted = truth == value
        partner = int(np.bincount(found[wanted]).argmax())
        shared = np.count_nonzero(wanted & (found == partner))
        is_met = partner > 0 and 2 * shared > wanted.sum()
        ious.append(shared / np.count_nonzero(wanted | (found == partner)) if is_met else 0.0)
        partners |= {partner} if ious[-1] >= LEAST_IOU else set()
    count = len(np.unique(found[found > 0]))
    print(
        f"\n{VOL_EMBRYO_8CELL.folder.name}: {len(partners)} of {len(ious)} found with an IoU of {LEAST_IOU} or more, "
        f"{count} objects in all, mean IoU {np.mean(ious):.3f} ({', '.join(f'{iou:.2f}' for iou in ious)}), {seconds:.1f} s",
        flush=True,
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, default=FLUO_MITOCHECK.image)
    parser.add_argument("--truth", type=Path, default=FLUO_MITOCHECK.masks)
    parser.add_argument("--parents", type=Path, default=FLUO_MITOCHECK.folder / "objects.csv")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--model", default="micro")
    args = parser.parse_args()

    check_installed()
    model = load_model(args.model)
    ways = {
        f"track everything, {args.model}": by_session(model),
        "Otsu, LapTrack": by_laptrack(otsu),
        "Otsu and watershed, LapTrack": by_laptrack(otsu_and_watershed),
    }
    frames, truth, lineage = tifffile.imread(args.image), tifffile.imread(args.truth), read_lineage(args.parents)
    show_head(f"{args.image.parent.name}, {len(frames)} frames")
    for name, track in ways.items():
        show(name, measure(track, frames, truth, lineage))

    show_volume(model)
    rows: dict[str, list[Row]] = {name: [] for name in ways}
    show_head("seed")
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        movie = synthetic_movie(seed)
        for name, track in ways.items():
            rows[name].append(measure(track, movie.frames, movie.labels, movie.lineage))
            show(f"{seed}: {name}", rows[name][-1])
    count = args.seeds
    if count:
        show_head(f"mean of {count} drawn movies, seeds {args.first_seed} to {args.first_seed + count - 1}")
    for name, all_rows in rows.items() if count else ():
        show(name, Row(*np.mean(all_rows, 0)))
        ordered = np.sort(np.array(all_rows) * (1, 1, 1, 1, -1), 0)[: max(1, count // WORST)]
        show(f"{name}: worst quarter", Row(*np.abs(ordered.mean(0))))


if __name__ == "__main__":
    try:
        from laptrack import LapTrack
    except ImportError:
        raise SystemExit("LapTrack is needed for comparison: pip install laptrack") from None
    main()
