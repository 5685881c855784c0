"""stub"""

from pathlib import Path
from typing import Any

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm")


class VideoFrames:
    shape: tuple[int, ...]
    dtype: Any
    frame_interval_s: float | None

    def __init__(self, path: Path) -> None:
        raise NotImplementedError
