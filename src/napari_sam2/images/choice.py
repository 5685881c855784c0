"""Which of several images in a file is opened, and the sentences that name the others. N images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_sam2.checks import check_text, check_whole
from napari_sam2.images.errors import ImageFileError

MAX_NAMED = 6
"""Of more images than these the first are named."""


@dataclass(frozen=True)
class Choice:
    """Which image of a file is chosen; without a choice there is a rule for each format.

    Attributes
    ----------
    series : int, optional
        Its number in the file, counted from 0.
    image_name : str, optional
        Its name, or its path in the file.

    Raises
    ------
    ValueError
        If both are given, the number is not a whole number from 0 on, or the name is not text.
    """

    series: int | None = None
    image_name: str | None = None

    def __post_init__(self) -> None:
        if self.series is not None and self.image_name is not None:
            raise ValueError("give series or image_name, not both")
        if self.series is not None and check_whole("series", self.series) < 0:
            raise ValueError(f"series counts the images of a file from 0, got {self.series}")
        if self.image_name is not None:
            check_text("image_name", self.image_name)

    @property
    def is_open(self) -> bool:
        """Nothing is asked for."""
        return self.series is None and self.image_name is None

    def find(self, where: str, names: Sequence[str], paths: Sequence[str] | None = None) -> int | None:
        """Find the image that is asked for.

        Parameters
        ----------
        where : str
            The file, for messages.
        names : sequence of str
            (N,), the name of each image; empty where it has none.
        paths : sequence of str, optional
            (N,), the path of each image in the file, which counts as a name.

        Returns
        -------
        int or None
            Its number; None if nothing is asked for.

        Raises
        ------
        ImageFileError
            If there is no such image, or more than one of that name.
        """
        if self.series is not None:
            if self.series >= len(names):
                raise ImageFileError(f"{where} has no image {self.series}: {_held(names, paths)}")
            return self.series
        if self.image_name is None:
            return None
        found = [i for i, path in enumerate(paths or ()) if path == self.image_name]
        found = found or [i for i, name in enumerate(names) if name == self.image_name]
        if not found:
            raise ImageFileError(f"{where} has no image {self.image_name!r}: {_held(names, paths)}")
        if len(found) > 1:
            raise ImageFileError(
                f"{where} has {len(found)} images {self.image_name!r}: choose one by series={found[0]} (--series {found[0]})"
            )
        return found[0]


ANY = Choice()
"""Nothing is asked for."""


def listed(names: Sequence[str], paths: Sequence[str] | None = None) -> str:
    """Name images by number, path and name, as far as they have them."""
    shown = []
    for i, name in enumerate(names[:MAX_NAMED]):
        number = paths[i] if paths is not None and paths[i] else str(i)
        shown.append(f"{number} {name!r}" if name and name != number else number)
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _held(names: Sequence[str], paths: Sequence[str] | None) -> str:
    if len(names) == 1:
        return f"the only one in it is {listed(names, paths)}"
    return f"it holds {len(names)} images: {listed(names, paths)}"
