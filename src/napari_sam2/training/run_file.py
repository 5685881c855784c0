"""What a fine-tuning is to do, as a TOML file or a dataclass, checked key by key before anything begins."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from napari_sam2.file_errors import reading
from napari_sam2.files import atomic_path
from napari_sam2.structured import parse
from napari_sam2.training.optimization import TRAINABLE_PARTS
from napari_sam2.weights.registry import SUFFIXES, is_model_name


@dataclass(frozen=True)
class DataEntry:
    """An image and its labels.

    Attributes
    ----------
    image, labels : Path
        TIFF or OME-Zarr, of one shape; kept as absolute paths, as all paths of a run.
    axes : str or None
        Of the image: ``YX``, ``TYX``, ``ZYX``, ``NYX`` for images that have nothing to do with each other, each with ``C`` where
        the channels are; what the file says by default.
    channel : int or None
        Channel to learn from, counted from 0.
    """

    image: Path
    labels: Path
    axes: str | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", Path(self.image).absolute())
        object.__setattr__(self, "labels", Path(self.labels).absolute())
        _check(self.axes is None or isinstance(self.axes, str), "axes", 'letters such as "TYX"', self.axes)
        _check(self.channel is None or _is_whole(self.channel, 0), "channel", "a whole number, from 0", self.channel)

    @property
    def name(self) -> str:
        """Name of the stack: its folder's for ``image.tif``, else the file's."""
        return self.image.parent.name if self.image.stem == "image" else self.image.name.split(".")[0]


@dataclass(frozen=True)
class RunFile:
    """A fine-tuning.

    Attributes
    ----------
    out : Path
        Folder for all that comes out; its name becomes the model's.
    data : tuple of DataEntry
        What to learn from.
    validation : tuple of DataEntry
        What to choose the best weights by, and to score them on; without it a part of ``data`` is held out.
    init_checkpoint : str
        ``micro``, a released model whose weights are on this machine, or a checkpoint file.
    trainable : str
        Parts to train: one of :data:`~napari_sam2.training.optimization.TRAINABLE_PARTS`.
    minutes : float or None
        Time for learning, validation included; how many steps that makes is measured when the run begins.
    steps : int or None
        Number of steps; with ``minutes`` too, whichever is over first.
    seed : int
        Of everything that is drawn.
    learning_rate : float or None
        Peak; one that fits the model and what learns by default.
    frames_per_clip : int
        Length of the clips, where stacks are that long.
    validation_share : float
        Share of each stack that is held out.

    Raises
    ------
    ValueError
        If a value cannot be; the message names key and value.
    """

    out: Path
    data: tuple[DataEntry, ...]
    validation: tuple[DataEntry, ...] = ()
    init_checkpoint: str = "micro"
    trainable: str = "everything"
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    learning_rate: float | None = None
    frames_per_clip: int = 4
    validation_share: float = 0.2

    def __post_init__(self) -> None:
        _check(isinstance(self.out, str | Path), "out", "a path", self.out)
        _check(isinstance(self.init_checkpoint, str | Path), "init_checkpoint", "a name or a path", self.init_checkpoint)
        for table in ("data", "validation"):
            entries = getattr(self, table)
            is_good = isinstance(entries, list | tuple) and all(isinstance(entry, DataEntry) for entry in entries)
            _check(is_good, table, "a list of DataEntry", entries)
            object.__setattr__(self, table, tuple(entries))
        object.__setattr__(self, "out", Path(self.out).absolute())
        object.__setattr__(self, "init_checkpoint", _name_or_path(str(self.init_checkpoint), Path.cwd()))
        parts = ", ".join(f'"{part}"' for part in TRAINABLE_PARTS)
        _check(self.trainable in TRAINABLE_PARTS, "trainable", f"one of {parts}", self.trainable)
        _check(self.minutes is None or _is_above_0(self.minutes), "minutes", "a number above 0", self.minutes)
        _check(self.steps is None or _is_whole(self.steps, 1), "steps", "a whole number, from 1", self.steps)
        _check(_is_whole(self.seed, 0) and self.seed < 2**63, "seed", "a whole number, from 0, below 2**63", self.seed)
        rate = self.learning_rate
        _check(rate is None or (_is_above_0(rate) and rate < 1), "learning_rate", "a number between 0 and 1", rate)
        _check(_is_whole(self.frames_per_clip, 1), "frames_per_clip", "a whole number, from 1", self.frames_per_clip)
        share = self.validation_share
        _check(_is_above_0(share) and share <= 0.5, "validation_share", "a number above 0, at most 0.5", share)
        if self.minutes is None and self.steps is None:
            raise ValueError("minutes or steps is missing: say how long to train")
        if not self.data:
            raise ValueError("data is missing: name an image and its labels under [[data]]")

    def to_toml(self) -> str:
        """Write the run as :func:`read_run_file` reads it."""
        lines = [f"{key} = {_toml(value)}" for key, value in _set_values(self) if key not in ("data", "validation")]
        for table in ("data", "validation"):
            for entry in getattr(self, table):
                lines += ["", f"[[{table}]]", *(f"{key} = {_toml(value)}" for key, value in _set_values(entry))]
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with atomic_path(path) as partial:
            partial.write_text(self.to_toml(), encoding="utf-8")


@dataclass(frozen=True)
class _WrittenEntry:
    """A table of a run file."""

    folder: str | None = None
    image: str | None = None
    labels: str | None = None
    axes: str | None = None
    channel: int | None = None


_KINDS = get_type_hints(RunFile) | {"out": str, "data": Any, "validation": Any}
_WrittenRun = dataclasses.make_dataclass(
    "_WrittenRun", [(field.name, _KINDS[field.name] | None, None) for field in dataclasses.fields(RunFile)]
)
"""A run as it is written: None for what is not, and tables are read one after another."""


def read_run_file(path: Path) -> RunFile:
    """Read a run file; paths in it are relative to its folder.

    Parameters
    ----------
    path : Path
        TOML, with the attributes of :class:`RunFile` as keys and those of :class:`DataEntry` in the tables ``[[data]]`` and
        ``[[validation]]``, where ``folder`` stands for the ``image.tif`` and ``masks.tif`` in it. ``out`` is by default a folder
        beside the file, with its name.

    Returns
    -------
    RunFile

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not TOML, has an unknown key, or a value that cannot be; the message is one sentence and names it.
    """
    with reading(path, "the run file"):
        if not path.is_file():
            raise FileNotFoundError(f"there is no run file {path}")
        content = path.read_bytes()
    try:
        read = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not TOML: it is no text in UTF-8, from byte {error.start} on") from error
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"line \d+, column \d+", str(error))
        raise ValueError(f"{path} is not TOML: {where.group() if where else 'its end is missing'}") from error
    return _run(parse(_WrittenRun, read, f"{path}: "), path)


def _run(written: Any, path: Path) -> RunFile:
    given = dict(_set_values(written))
    base = path.absolute().parent
    tables: dict[str, Any] = {name: _entries(given.pop(name, []), name, path) for name in ("data", "validation")}
    out = base / Path(given.pop("out", path.absolute().with_suffix("").name)).expanduser()
    init_checkpoint = _name_or_path(given.pop("init_checkpoint", "micro"), base)
    try:
        return RunFile(out=out, init_checkpoint=init_checkpoint, **tables, **given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _name_or_path(init_checkpoint: str, base: Path) -> str:
    """Return an absolute path if there is a file; a model's name stays one even if a folder, such as ``out``, has that name."""
    path = base / Path(init_checkpoint).expanduser()
    is_path = path.is_file() or path.suffix in SUFFIXES or (path.is_dir() and not is_model_name(init_checkpoint))
    return str(path) if is_path else init_checkpoint


def _entries(tables: Any, name: str, path: Path) -> tuple[DataEntry, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{path}: {name} must be tables that begin with [[{name}]], got {tables!r}")
    return tuple(_entry(table, f"{path}: [[{name}]] number {number}: ", path) for number, table in enumerate(tables, start=1))


def _entry(table: dict[str, Any], where: str, path: Path) -> DataEntry:
    given = dict(_set_values(parse(_WrittenEntry, table, where)))
    if ("folder" in given) == ("image" in given or "labels" in given):
        raise ValueError(f"{where}give either folder, or image and labels")
    base = path.absolute().parent
    paths: dict[str, Any] = {key: base / Path(given.pop(key)).expanduser() for key in ("folder", "image", "labels") if key in given}
    if "folder" in paths:
        folder = paths.pop("folder")
        paths = {"image": folder / "image.tif", "labels": folder / "masks.tif"}
    if len(paths) < 2:
        raise ValueError(f"{where}{'labels' if 'image' in paths else 'image'} is missing")
    try:
        return DataEntry(**paths, **given)
    except ValueError as error:
        raise ValueError(f"{where}{error}") from error


def _check(is_good: bool, key: str, expected: str, value: Any) -> None:
    if not is_good:
        raise ValueError(f"{key} must be {expected}, got {value!r}")


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_above_0(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _set_values(item: Any) -> list[tuple[str, Any]]:
    values = [(field.name, getattr(item, field.name)) for field in dataclasses.fields(item)]
    return [(key, value) for key, value in values if value is not None]


def _toml(value: str | Path | float) -> str:
    # A JSON string is a TOML string.
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    return repr(float(value) if isinstance(value, float) else value)  # not np.float64(0.1)
