"""``napari-sam2 info``: versions, devices, threads, models and a quick check for a bug report, without private names and paths."""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import napari_sam2
from napari_sam2.cli.errors import place_of

PACKAGES = (
    "torch",
    "torchvision",  # not needed here, but one that does not fit torch stops programs
    "numpy",
    "scipy",
    "scikit-image",
    "tifffile",
    "filelock",
    "imagecodecs",
    "pillow",
    "safetensors",
    "pooch",
    "platformdirs",
    "psygnal",
    "pydantic",
    "tqdm",
    "zarr",
    "dask",
    "xarray",
    "av",
    "imageio",
    "geff",
    "pyarrow",
    "roifile",
    "distributed",
    "dask-jobqueue",
    "cryptography",
    "pydicom",
    "pylibjpeg",
    "pylibjpeg-libjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "highdicom",
    "nibabel",
    "pynrrd",
    "SimpleITK",
    "mrcfile",
    "py-ctcmetrics",
    "lightning-fabric",
    "tensorboard",
    "napari",
    "app-model",
    "magicgui",
    "npe2",
    "vispy",
    "superqt",
    "qtpy",
)
"""Distributions whose versions are listed: all that the package can use, and some that can disturb it."""

QT_BINDINGS = ("PyQt5", "PySide2", "PyQt6", "PySide6")
"""In the order in which QtPy tries them."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
OTHER_VARIABLES = (
    "KMP_BLOCKTIME",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "PYTORCH_ENABLE_MPS_FALLBACK",
)

_USER_VARIABLES = ("USER", "LOGNAME", "USERNAME", "SUDO_USER")
_WIDTH = max(len(name) for name in PACKAGES) + 2
_CPUINFO, _CGROUP = Path("/proc/cpuinfo"), Path("/sys/fs/cgroup")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "info",
        help="versions, devices and a quick check, for a bug report",
        description="Print versions, devices, threads, models and the result of a quick check, to be pasted into a bug report. "
        "It names neither you nor your machine, and no folder outside your home folder.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print all facts, each as soon as it is known: what ends the program is seen from the line that is missing."""
    del args
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they name paths
        for name, text in facts():
            print(f"{name:<{_WIDTH}}{text}", flush=True)


def facts() -> Iterator[tuple[str, str]]:
    """Yield all facts of a report.

    Yields
    ------
    tuple of str
        Name of a fact, and one line of text; where it cannot be found out, the kind of error.
    """
    for name, find in FACTS.items():
        try:
            text = find()
        except Exception as error:  # what is broken here may be the reason of the report
            text = f"cannot be found out: {place_of(error)}"
        yield name, " ".join(text.split())


def version_of(distribution: str) -> str:
    """Read the version of a distribution, without importing it."""
    try:
        return importlib.metadata.version(distribution) or "of unknown version"
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _qt_bindings() -> str:
    """The binding that QtPy chooses, and those that are there."""
    found = {binding: version_of(binding) for binding in QT_BINDINGS}
    installed = {binding: version for binding, version in found.items() if version != "not installed"}
    listed = ", ".join(f"{binding} {version}" for binding, version in installed.items()) or "no Qt is installed"
    wanted = os.environ.get("QT_API", "")
    if not wanted:
        return listed
    chosen = [binding for binding in QT_BINDINGS if binding.lower() == wanted.lower()]
    return f"{listed}; QT_API={chosen[0] if chosen else _UNUSUAL}"


def _python() -> str:
    return f"{platform.python_version()} ({platform.python_implementation()}, {sys.maxsize.bit_length() + 1} bits)"


def _cpu() -> str:
    """Model, and how many cores this process may use."""
    machine = os.cpu_count()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    text = f"{_cpu_model()}, {usable} of {machine} cores usable"
    quota = _cgroup_values("cpu.max")
    if len(quota) == 2:
        text += f", time of {quota[0] / quota[1]:.1f} cores granted"
    return text


def _cpu_model() -> str:
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=True, timeout=5
        )
        return asked.stdout.strip()
    if _CPUINFO.is_file():
        model = re.search(r"^model name\s*:\s*(.+)$", _CPUINFO.read_text(errors="replace"), re.MULTILINE)
        if model:
            return model[1]
    return platform.processor() or platform.machine()


def _cgroup_values(name: str) -> list[int]:
    """Read the numbers of a limit that containers set; none where there is no limit."""
    path = _CGROUP / name
    words = path.read_text().split() if path.is_file() else []
    return [int(word) for word in words] if all(word.isdigit() for word in words) else []


def _memory() -> str:
    """Of the machine, and what of it is free."""
    try:
        import psutil  # comes with napari

        memory = psutil.virtual_memory()
        text = f"{_size(memory.total)}, {_size(memory.available)} of it available"
    except ImportError:
        text = _size(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    limit = _cgroup_values("memory.max")
    return f"{text}, {_size(limit[0])} granted" if limit else text


def _cuda() -> str:
    """Name and memory of each device."""
    from napari_sam2.torch_threads import torch

    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {torch.version.hip}" if torch.version.hip else ""
    if not built:
        return "none, torch is built for other devices"
    if not torch.cuda.is_available():
        return f"none found, torch is built for {built}"
    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return ", ".join(f"{device.name} with {_size(device.total_memory)}" for device in devices) + f", torch is built for {built}"


def _mps() -> str:
    """Apple's GPU and the memory it recommends."""
    from napari_sam2.torch_threads import torch

    if not torch.backends.mps.is_available():
        return "none found"
    return f"available, {_size(torch.mps.recommended_max_memory())} recommended at most"


def _threads() -> str:
    from napari_sam2.torch_threads import torch

    return f"{torch.get_num_threads()} in an operation of torch, {torch.get_num_interop_threads()} between operations"


_UNUSUAL = "(an unusual value)"


def _variables() -> str:
    """Settings of threads and devices; a value that is none is not shown."""
    texts = []
    for name in (*THREAD_VARIABLES, *OTHER_VARIABLES):
        value = os.environ.get(name)
        if value is not None:
            usual = re.fullmatch(r"[\d,.-]*|true|false|active|passive|infinit[ey]", value.strip(), re.IGNORECASE)
            texts.append(f"{name}={value.strip() if usual else _UNUSUAL}")
        elif name in THREAD_VARIABLES:
            texts.append(f"{name} not set")
    return ", ".join(texts)


def _micro() -> str:
    from napari_sam2.weights.registry import EMBEDDED

    content = EMBEDDED.read_bytes()
    return f"embedded, {len(content) / 1e6:.1f} MB, SHA-256 {hashlib.sha256(content).hexdigest()[:12]}"


def _released() -> str:
    """Which released models are in the cache folder."""
    from napari_sam2.weights.download import checkpoint_path, wrong_size
    from napari_sam2.weights.registry import RELEASED

    there, wrong = [], []
    for name, checkpoint in RELEASED.items():
        path = checkpoint_path(name)
        if wrong_size(path, checkpoint):
            wrong.append(name)
        elif path.is_file():
            there.append(name)
    text = f"{len(there)} of {len(RELEASED)} downloaded" + (f": {', '.join(there)}" if there else "")
    return text + (f"; not the released file: {', '.join(wrong)}" if wrong else "")


def _cache() -> str:
    """The cache folder and the space that is free there."""
    from napari_sam2.weights.download import CACHE_VARIABLE, cache_folder

    folder = Path(os.path.abspath(cache_folder()))
    chosen = f"set by {CACHE_VARIABLE}" if os.environ.get(CACHE_VARIABLE) else "the default one"
    there = next(path for path in (folder, *folder.parents) if path.exists())
    state = "" if there == folder else ", not made yet"
    return f"{_in_home(folder) or chosen}{state}, {_size(shutil.disk_usage(there).free)} free"


def _in_home(folder: Path) -> str | None:
    """Write a folder below the home folder with ``~``; None where it lies elsewhere, or names the person or the machine."""
    try:
        home = Path(os.path.abspath(Path.home()))
    except RuntimeError:  # there is none
        return None
    if home == Path(home.anchor) or not folder.is_relative_to(home):
        return None
    text = str(Path("~") / folder.relative_to(home))
    private = {home.name, platform.node(), *(os.environ.get(name, "") for name in _USER_VARIABLES)} - {""}
    return None if any(word.casefold() in text.casefold() for word in private) else text


def _check() -> str:
    """Segment one object with the embedded model, on the device that is chosen by default."""
    from napari_sam2.session.self_test import self_test

    return self_test().describe()


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"


FACTS: dict[str, Callable[[], str]] = {
    "napari-sam2": lambda: napari_sam2.__version__,
    "Python": _python,
    "system": platform.platform,
    **{name: partial(version_of, name) for name in PACKAGES},
    "Qt": _qt_bindings,
    "CPU": _cpu,
    "memory": _memory,
    "CUDA": _cuda,
    "MPS": _mps,
    "threads": _threads,
    "variables": _variables,
    "micro": _micro,
    "released models": _released,
    "cache folder": _cache,
    "check": _check,
}
"""What is printed, in this order; the check, which runs everything, is the last."""
