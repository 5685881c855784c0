"""What can be wrong with an image: errors whose text is a sentence for the person who gave it."""

from __future__ import annotations


class ImageFileError(ValueError):
    """A file cannot be opened or read as an image; the sentence names the file and what is wrong with it."""


class FrameReadError(OSError):
    """A frame of an image that is open cannot be read; the sentence names the frame and, where it is known, the reason."""
