"""``napari-sam2 batch``: many stacks in, a session, labels and a picture of each out, and one report."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.torch_threads import torch

from tqdm import tqdm

from napari_sam2.batch.outcome import StackOutcome
from napari_sam2.batch.process_stack import StackJob
from napari_sam2.batch.prompt_sources import SOURCES, source_of
from napari_sam2.batch.report import Report, write_report
from napari_sam2.batch.run import only_run, run_jobs, split_known
from napari_sam2.batch.settings import BatchSettings
from napari_sam2.batch.stacks import find_stacks
from napari_sam2.cli.arguments import (
    add_certificate_arguments,
    add_image_size_argument,
    add_intensity_arguments,
    add_memories_argument,
    add_model_arguments,
    certificates_of,
    path_argument,
)
from napari_sam2.cli.errors import MACHINE_ERROR, SomeFailed, code_of, sentence_of
from napari_sam2.cluster.address import Certificates
from napari_sam2.cluster.connection import connect
from napari_sam2.cluster.local import choose_num_workers, local_cluster, machine, worker_options
from napari_sam2.cluster.refusal import check_extra
from napari_sam2.cluster.slurm import read_jobs, slurm_cluster, submit
from napari_sam2.cluster.workers import BASE_BYTES, WAIT_FOR_WORKERS_S, check_workers, file_sha256, needed_bytes
from napari_sam2.export.formats import find_format
from napari_sam2.files import check_writable
from napari_sam2.predictors.device import AUTO, available_devices, resolve_device, resolve_precision
from napari_sam2.weights.load import find_weights

if TYPE_CHECKING:
    from distributed import Client

_SESSION_HAS = ("axes", "channel", "along", "intensity_range", "window", "image_size", "memories")
_MODEL_DEFAULTS = {"model": "micro", "precision": AUTO}


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "batch",
        help="propagate prompted objects through many stacks, on this machine or others",
        description="Propagate prompted objects through many stacks. Each has its own session file, with which a run that was "
        "stopped goes on; stacks that are done with the same input, settings and weights are left as they are. "
        "Exit code 0: all are done; 1: some are not, and the report says why; 2: nothing was begun.",
    )
    parser.add_argument(
        "stacks",
        nargs="+",
        type=path_argument,
        help="files, zarrs, plates, folders of frames, or patterns in quotes, as 'plate/*.ome.zarr' (movie.labels.tif is none)",
    )
    parser.add_argument(
        "--prompts-from",
        required=True,
        metavar="SOURCE",
        help=f"{', '.join(SOURCES)}, or a prompts file for all stacks (.json): labels is movie.labels.tif beside movie.tif, or the "
        "label image in an OME-Zarr; session is movie.sam2, with model and settings of its own; everything needs no prompts",
    )
    parser.add_argument("-o", "--output", type=path_argument, required=True, help="the folder of the results")
    parser.add_argument(
        "--format",
        action="append",
        metavar="ENDING",
        help="what is written of each stack, by the endings of `napari-sam2 export --help`; may be repeated (default: .tif)",
    )
    _add_cluster_arguments(parser)
    parser.add_argument("--axes", help="axes of the images, such as TYX, ZYX or CYX (default: those of the files)")
    parser.add_argument("--channel", type=int, action="append", help="channel to use, counted from 0; up to three in colour")
    parser.add_argument("--along", help="axis to propagate objects along: T, Z, Y or X (default: T, else Z)")
    parser.add_argument("--direction", choices=("both", "forward", "backward"), default="both", help="see `napari-sam2 segment`")
    add_intensity_arguments(parser)
    add_model_arguments(parser)
    add_image_size_argument(parser)
    add_memories_argument(parser)
    parser.set_defaults(run=run)


def _add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes on this machine (default: one for each GPU; without any, as cores and memory allow)",
    )
    parser.add_argument("--gpus", action="store_true", help="one process for each GPU of this machine, and none without")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="a scheduler of dask, as tls://gpu-box:8786, instead of this machine"
    )
    parser.add_argument("--slurm", type=path_argument, metavar="FILE", help="jobs of SLURM instead (.yaml), see docs/cluster.md")
    parser.add_argument("--dashboard", action="store_true", help="print where a browser shows dask's dashboard; it needs bokeh")
    add_certificate_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    check_extra("batch")
    settings = _settings(args)
    certificates = _check_cluster(args)
    stacks = find_stacks(args.stacks)
    jobs = [StackJob(stack, settings, str(args.output.absolute())) for stack in stacks]
    for job in jobs:
        if Path(job.stack.path) in (job.folder, *job.folder.parents):
            raise ValueError(f"{args.output} lies in the stack {job.stack.path}: give another folder for the results")
    with only_run(args.output):
        check_writable(args.output / "report.json")
        outcomes, left = split_known(jobs)
        try:
            if left:
                with _client(args, certificates, settings, len(left)) as client, tqdm(total=len(left), unit="stack") as bar:
                    run_jobs(client, left, explain, lambda outcome: _note(outcome, outcomes, bar))
        finally:
            order = {stack.name: number for number, stack in enumerate(stacks)}
            report = Report(settings, sorted(outcomes, key=lambda outcome: order[outcome.name]))
            if outcomes:
                write_report(args.output, report)
    print(f"{report.sentence}; {len(jobs) - len(left)} known from before: {args.output / 'report.html'}")
    if report.failures:
        raise SomeFailed("; ".join(f"{one.name}: {one.sentence}" for one in report.failures))


def explain(error: BaseException) -> tuple[str, bool]:
    """Return the sentence of an error, and whether another attempt may do better: if the machine is at fault."""
    return sentence_of(error), code_of(error) == MACHINE_ERROR


def _note(outcome: StackOutcome, outcomes: list[StackOutcome], bar: Any) -> None:
    outcomes.append(outcome)
    bar.update()
    if outcome.outcome != "done":
        bar.write(f"{outcome.name}: {outcome.outcome}: {outcome.sentence}", file=sys.stderr)


def _settings(args: argparse.Namespace) -> BatchSettings:
    endings = tuple(dict.fromkeys(args.format or [".tif"]))
    for ending in endings:
        if find_format(Path(f"stack{ending}")).ending != ending.lower().replace(".tiff", ".tif"):
            raise ValueError(f"--format takes an ending of `napari-sam2 export --help`, as .tif, got {ending!r:.80}")
    source = source_of(args.prompts_from)
    prompts = args.prompts_from if args.prompts_from in SOURCES else str(Path(args.prompts_from).absolute())
    if args.prompts_from == "everything" and args.direction != "both":
        raise ValueError("--direction does not go with --prompts-from everything: it goes from the first frame to the last")
    if source.has_own_settings:
        given = [name for name in _SESSION_HAS if getattr(args, name) is not None]
        given += [name for name, default in _MODEL_DEFAULTS.items() if getattr(args, name) != default]
        if given:
            raise ValueError(f"--{given[0].replace('_', '-')} does not go with --prompts-from session: each session has its own")
        return BatchSettings(prompts, None, device=args.device, direction=args.direction, endings=endings)
    weights = find_weights(args.model)[1]
    is_elsewhere = args.scheduler is not None or args.slurm is not None
    precision = args.precision if is_elsewhere else resolve_precision(args.precision, resolve_device(args.device))
    is_file = Path(args.model).expanduser().exists()
    return BatchSettings(
        prompts,
        str(Path(args.model).expanduser().absolute()) if is_file else args.model,
        file_sha256(weights),
        args.device,
        precision,
        args.axes,
        args.channel,
        args.along,
        None if args.intensity_range is None else tuple(args.intensity_range),
        args.window,
        args.direction,
        args.image_size,
        args.memories,
        endings,
    )


def _check_cluster(args: argparse.Namespace) -> Certificates | None:
    """Refuse before long work options that do not go together, and return the certificates that were given."""
    given = [name for name in ("scheduler", "slurm", "workers") if getattr(args, name) is not None] + ["gpus"] * args.gpus
    if len(given) > 1:
        raise ValueError(f"--{given[0]} does not go with --{given[1]}: each says where the work is done")
    if args.workers is not None and args.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {args.workers}")
    if args.dashboard and importlib.util.find_spec("bokeh") is None:
        raise ImportError("--dashboard needs bokeh: pip install bokeh")
    if args.slurm is not None:
        read_jobs(args.slurm)
    return certificates_of(args, args.scheduler, "--scheduler")


@contextlib.contextmanager
def _client(
    args: argparse.Namespace, certificates: Certificates | None, settings: BatchSettings, num_stacks: int
) -> Iterator[Client]:
    """Give a client of the workers that were asked for; those that were begun end with it."""
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters comes as outcomes
    needed = BASE_BYTES if settings.model is None else needed_bytes(find_weights(settings.model)[1])
    with contextlib.ExitStack() as stack:
        if args.scheduler is not None:
            client = stack.enter_context(connect(args.scheduler, certificates, args.insecure))
        elif args.slurm is not None:
            cluster = stack.enter_context(slurm_cluster(args.slurm))
            client = stack.enter_context(Client(cluster, set_as_default=False))
            submit(cluster, args.slurm)
            print("napari-sam2: the jobs are submitted; stacks are begun when the first one runs", file=sys.stderr)
        else:
            workers = _local_workers(args, num_stacks, needed)
            client = stack.enter_context(Client(stack.enter_context(local_cluster(workers, args.dashboard)), set_as_default=False))
        if args.dashboard:
            print(f"napari-sam2: the dashboard is at {client.dashboard_link}", file=sys.stderr)
        wait_s = WAIT_FOR_WORKERS_S if args.slurm is None else None
        check_workers(client, settings.model, settings.weights_sha256, needed, wait_s)
        yield client


def _local_workers(args: argparse.Namespace, num_stacks: int, needed: int) -> list[dict[str, Any]]:
    cores, memory = machine()
    if args.gpus and not torch.cuda.device_count():
        raise ValueError("--gpus: there is no GPU of NVIDIA on this machine that PyTorch can use")
    gpus = 0 if args.workers is not None else _num_gpus(args.device)
    # processes that share a GPU take its memory from each other
    most = num_stacks if not gpus else min(num_stacks, gpus)
    number = choose_num_workers(args.workers, most, cores, memory, needed)
    return worker_options(number, memory, gpus)


def _num_gpus(device: str) -> int:
    """Count the GPUs that a device may be on; 0 for none."""
    kinds = available_devices()
    if device not in ("auto", *kinds) or device == "cpu" or kinds == ("cpu",):
        return 0
    return torch.cuda.device_count() if "cuda" in kinds else 1
