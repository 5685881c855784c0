"""The stacks of a run, and the name under which the results of each are written."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.images.file_names import natural_key
from napari_sam2.images.image_list import images_of

LABELS = ".labels"
"""``movie.labels.tif`` holds the prompts of ``movie.tif``, and is no stack itself."""
_INNER_ENDINGS = (".ome", ".companion")


@dataclass(frozen=True)
class StackFile:
    """One stack of a run.

    Attributes
    ----------
    name : str
        Begins the names of its results; in POSIX form, may lead into folders.
    path : str
        What is opened; absolute.
    series : int or None
        Which image of the file; None where the path is enough.
    beside : str
        The path without endings: what belongs to the stack lies beside it, under names that begin so.
    """

    name: str
    path: str
    series: int | None
    beside: str


def find_stacks(patterns: Sequence[str | Path]) -> list[StackFile]:
    """Find the stacks that somebody named.

    Parameters
    ----------
    patterns : sequence of str or Path
        Files, folders of frames, zarrs, plates, or patterns of these, such as ``plate/*.ome.zarr``; ``**`` is any number of
        folders. Of a file with several images each is a stack.

    Returns
    -------
    list of StackFile
        In natural order, each once. Names begin behind the part of a pattern that has no wildcard, so that they stay the same when
        more stacks come.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or none that fits a pattern.
    ValueError
        If two stacks would have one name, or a file cannot be read.
    ImportError
        If a package that reads one is missing.
    """
    found: dict[tuple[str, int | None], StackFile] = {}
    for pattern in patterns:
        root, paths = _matches(Path(pattern))
        for path in paths:
            for stack in _stacks_of(path, root):
                found.setdefault((stack.path, stack.series), stack)
    stacks = sorted(found.values(), key=lambda stack: natural_key(stack.name))
    for before, after in itertools.pairwise(stacks):
        if before.name == after.name:
            raise ValueError(
                f"{before.path} and {after.path} would both have results named {after.name}: give a pattern in quotes, whose "
                "folders become part of the names, as 'positions/*/image.tif'"
            )
    return stacks


def _matches(pattern: Path) -> tuple[Path, list[Path]]:
    """Return from where on names are counted, and what fits."""
    if not str(pattern).strip() or pattern == Path():
        raise ValueError("the path of a stack is empty")
    if pattern.exists():
        return pattern.absolute().parent, [pattern.absolute()]
    if not glob.has_magic(str(pattern)):
        raise FileNotFoundError(f"there is no file {pattern}")
    parts = pattern.absolute().parts
    plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:plain])
    names = glob.glob(os.path.join(*parts[plain:]), root_dir=root, recursive=True)
    paths = [root / name for name in names if not _is_labels(Path(name))]
    if not paths:
        raise FileNotFoundError(f"no file fits {pattern}")
    return root, sorted(paths, key=natural_key)


def _is_labels(path: Path) -> bool:
    return _without_ending(path).name.endswith(LABELS)


def _without_ending(path: Path) -> Path:
    """Drop the ending of a file or a zarr, as ``.ome.tif``; what a folder of frames is called is a name as a whole."""
    is_plain_folder = path.is_dir() and path.suffix.lower() != ".zarr"
    stem = path if is_plain_folder else path.with_suffix("")
    inner = stem.suffix.lower() in _INNER_ENDINGS and not is_plain_folder
    return stem.with_suffix("") if inner else stem


def _stacks_of(path: Path, root: Path) -> Iterator[StackFile]:
    plain = _without_ending(path)
    for image in images_of(path):
        inside = Path(image.inside)
        yield StackFile((plain.relative_to(root) / inside).as_posix(), str(image.path), image.series, str(plain / inside))
