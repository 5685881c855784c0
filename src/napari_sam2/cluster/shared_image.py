"""Files of an image that a worker may have under the same names, as on shared storage: frames are read there, and do not travel.

That the files are the same is not believed by their names: sizes and times are compared, and the pixels of the first frame, which
travels.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.images.stack import Stack


@dataclass(frozen=True)
class SharedImage:
    """The files of a stack, and how it is opened from them.

    Attributes
    ----------
    files : tuple of str
        Absolute.
    stamps : tuple of tuple of int
        Size in bytes and time of change in nanoseconds of each; of a folder the size is 0.
    axes, channel, along, at, series, image_name
        See :meth:`~napari_sam2.images.stack.Stack.open`.
    """

    files: tuple[str, ...]
    stamps: tuple[tuple[int, int], ...]
    axes: str
    channel: list[int] | None
    along: str | None
    at: dict[str, int]
    series: int | None
    image_name: str | None

    @classmethod
    def of(cls, stack: Stack) -> SharedImage | None:
        """Describe a stack; None where it lies in no file, or is of a patient, whom names of files may name."""
        if not stack.files or stack.is_private:
            return None
        files = tuple(path.absolute() for path in stack.files)
        channel = list(dict.fromkeys(stack.channels)) or None
        choice = stack.choice
        try:
            stamps = tuple(_stamp(path) for path in files)
        except OSError:
            return None
        arguments = stack.layout.axes, channel, stack.along or None, dict(stack.at), choice.series, choice.image_name
        return cls(tuple(map(str, files)), stamps, *arguments)

    def open(self) -> Stack | None:
        """Open the stack on this machine; None where its files are not here, or are others."""
        paths = [Path(name) for name in self.files]
        with contextlib.suppress(OSError, ValueError, ImportError):
            if tuple(_stamp(path) for path in paths) == self.stamps:
                return Stack.open(
                    paths[0] if len(paths) == 1 else paths,
                    self.axes,
                    self.channel,
                    self.along,
                    self.at,
                    series=self.series,
                    image_name=self.image_name,
                )
        return None


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return 0 if path.is_dir() else status.st_size, status.st_mtime_ns
