"""Settings of a person: kept where napari keeps preferences, checked here, and read by all from :class:`Settings`.

Since 0.9 napari shows them in its Preferences, from ``configurations`` in the manifest, and keeps them. For an older napari they
are in a file beside napari's own settings, and the form of the widget alone shows them.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import napari.settings
from psygnal import Signal

from napari_sam2.checks import shown
from napari_sam2.files import atomic_path, read_json
from napari_sam2.plugin.settings.keys import CHOSEN, without_conflicts
from napari_sam2.plugin.settings.models import BEST, MODEL_NAMES
from napari_sam2.plugin.settings.place import THIS_MACHINE, Place, checked_folder, checked_scheduler
from napari_sam2.structured import to_json
from napari_sam2.weights.registry import is_model_name, resolve_model_name

logger = logging.getLogger(__name__)

PLUGIN = "napari-sam2"
GENERAL, KEYS = "general", "keys"
"""Sections of the manifest's ``configurations``."""

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16")
INPUT_SIDES_PX = (1024, 768, 512)
"""Of released models; the first one is that of their training."""
MOST_MEMORIES = 7
"""As many as models are trained with."""


@dataclass(frozen=True)
class Settings:
    """What a person chose for all images.

    Attributes
    ----------
    autosave_folder : Path or None
        Where sessions are saved that nobody saved; None for the user's data folder.
    quota_gb : float
        All of these together take no more, see :mod:`~napari_sam2.plugin.sessions.autosave`; 0.1 or more.
    memory_gb : float
        The result of an image is in memory up to this size, beyond it in a temporary file; 0 or more.
    default_model : str
        A name, a checkpoint file, or :data:`~napari_sam2.plugin.settings.models.BEST`.
    device : str
        One of :data:`DEVICES`.
    precision : str
        One of :data:`PRECISIONS`; of sessions that begin.
    image_size : int
        One of :data:`INPUT_SIDES_PX`: the side of the square that frames are resized to, of released models; of sessions that
        begin.
    memories : int
        Of so many frames memories are recalled, 1 to :data:`MOST_MEMORIES`, as models were trained; of sessions that begin.
    compute_on : str
        :data:`~napari_sam2.plugin.settings.place.THIS_MACHINE`, or the address of a scheduler of dask.
    last_scheduler : str
        The address of the one that was used last; empty for none.
    certificates : Path or None
        The folder of certificates, see :mod:`~napari_sam2.plugin.settings.place`.
    keys : mapping of str to str
        Keys that are not the default ones, by :attr:`~napari_sam2.plugin.settings.keys.Key.setting`.
    """

    autosave_folder: Path | None = None
    quota_gb: float = 20.0
    memory_gb: float = 1.0
    default_model: str = BEST
    device: str = "auto"
    precision: str = "auto"
    image_size: int = INPUT_SIDES_PX[0]
    memories: int = MOST_MEMORIES
    compute_on: str = THIS_MACHINE
    last_scheduler: str = ""
    certificates: Path | None = None
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where models compute."""
        is_elsewhere = self.compute_on != THIS_MACHINE
        return Place(self.device, self.compute_on, self.certificates) if is_elsewhere else Place(self.device)


def checked(values: Mapping[str, Any], keys: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """Check settings: what cannot be has its default.

    Parameters
    ----------
    values : mapping
        By the names of the fields of :class:`Settings`, as a file holds them.
    keys : mapping of str to str
        Keys in any spelling, by :attr:`~napari_sam2.plugin.settings.keys.Key.setting`.

    Returns
    -------
    settings : Settings
        What can be used.
    faults : dict of str to str
        A sentence on each value that cannot, by its name.
    """
    usable, faults = dict[str, Any](), dict[str, str]()
    for name, check in _CHECKS.items():
        if name in values:
            try:
                usable[name] = check(values[name])
            except ValueError as error:
                faults[name] = str(error)
    names, wrong_keys = without_conflicts(keys)
    return Settings(**usable, keys=names), {**faults, **wrong_keys}


def _folder(value: Any) -> Path | None:
    text = str(value or "").strip()
    if not text:
        return None
    try:
        path = Path(text).expanduser()
        is_other = path.exists() and not path.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"The folder {text} for sessions cannot be used: {error}") from error
    if not path.is_absolute() or is_other:
        raise ValueError(f"{text} is not a folder for sessions: give the whole path of one, or nothing for the usual place")
    return path


def _number(name: str, least: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value < 1e6:
            raise ValueError(f"{name} is a number of GB, at least {least:g}, got {shown(value)}")
        return float(value)

    return check


def _one_of(name: str, choices: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{name} is one of {', '.join(choices)}, got {shown(value)}")
        return str(value)

    return check


def _image_size(value: Any) -> int:
    if str(value) not in map(str, INPUT_SIDES_PX):  # napari keeps it as a text
        raise ValueError(f"The side of the input is one of {', '.join(map(str, INPUT_SIDES_PX))}, got {shown(value)}")
    return int(value)


def _compute_on(value: Any) -> str:
    text = str(value or "").strip()
    return THIS_MACHINE if text in ("", THIS_MACHINE) else checked_scheduler(text)


def _scheduler(value: Any) -> str:
    text = str(value or "").strip()
    return checked_scheduler(text) if text else ""


def _certificates(value: Any) -> Path | None:
    text = str(value or "").strip()
    return checked_folder(Path(text).expanduser().absolute()) if text else None


def _model(value: Any) -> str:
    text = str(value or "").strip()
    if text in ("", BEST):
        return BEST
    if text in MODEL_NAMES or is_model_name(text):
        return resolve_model_name(text)
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError(f"The default model is {BEST}, a checkpoint file, or one of {', '.join(MODEL_NAMES)}, got {shown(text)}")
    return str(path.absolute())


def _memories(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_MEMORIES:
        raise ValueError(f"Recalled memories are 1 to {MOST_MEMORIES}, got {shown(value)}")
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "autosave_folder": _folder,
    "quota_gb": _number("The room for sessions", 0.1),
    "memory_gb": _number("The memory for a result", 0.0),
    "default_model": _model,
    "device": _one_of("The device", DEVICES),
    "precision": _one_of("The precision", PRECISIONS),
    "image_size": _image_size,
    "memories": _memories,
    "compute_on": _compute_on,
    "last_scheduler": _scheduler,
    "certificates": _certificates,
}
assert set(_CHECKS) | {"keys"} == {one.name for one in fields(Settings)}


# --- where they are kept -------------------------------------------------------------------------------------------


class SettingsSource(Protocol):
    """Keeps settings, in sections."""

    def connect(self, changed: Callable[..., None]) -> None:
        """Let a function be called when something was changed."""

    def read(self) -> dict[str, dict[str, Any]]:
        """Return all values that are there, by section and name."""

    def write(self, section: str, values: Mapping[str, Any]) -> None:
        """Change values of a section.

        Raises
        ------
        ValueError, OSError
            If they cannot be kept.
        """


class Preferences:
    """Settings in napari's Preferences.

    Parameters
    ----------
    model : PluginSettings
        As :func:`napari.settings.get_plugin_settings` returns it.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def connect(self, changed: Callable[..., None]) -> None:
        """Let a function be called when something was changed."""
        self._model.events.changed.connect(changed)

    def read(self) -> dict[str, dict[str, Any]]:
        """Return all values, by section and name."""
        return {section: getattr(self._model, section).model_dump() for section in (GENERAL, KEYS)}

    def write(self, section: str, values: Mapping[str, Any]) -> None:
        """Change values of a section."""
        getattr(self._model, section).update(dict(values))


class SettingsFile:
    """Settings in a JSON file.

    Parameters
    ----------
    path : Path or None
        The file, which need not be there; None to keep them as long as the program runs.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._values: dict[str, dict[str, Any]] = {}
        self._changed: list[Callable[..., None]] = []
        if path is not None and path.exists():
            try:
                content = read_json(path)
                self._values = {section: dict(content.get(section, {})) for section in (GENERAL, KEYS)}
            except (OSError, ValueError, AttributeError, TypeError) as error:
                logger.warning("the settings cannot be read, the default ones are used: %s", error)

    def connect(self, changed: Callable[..., None]) -> None:
        """Let a function be called when something was changed."""
        self._changed.append(changed)

    def read(self) -> dict[str, dict[str, Any]]:
        """Return all values that are there, by section and name."""
        return self._values

    def write(self, section: str, values: Mapping[str, Any]) -> None:
        """Change values of a section, and the file.

        Raises
        ------
        ValueError, OSError
            If it cannot be written.
        """
        self._values = {**self._values, section: {**self._values.get(section, {}), **values}}
        for changed in self._changed:
            changed()
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(self._path) as partial:
                partial.write_text(to_json(self._values), encoding="utf-8")


def _source() -> SettingsSource:
    get_plugin_settings = getattr(napari.settings, "get_plugin_settings", None)
    if get_plugin_settings is not None:
        every = get_plugin_settings()
        if PLUGIN in every:
            return Preferences(every[PLUGIN])
    path = napari.settings.get_settings().config_path
    return SettingsFile(None if path is None else Path(path).with_name(f"{PLUGIN}.json"))


class StoredSettings:
    """The settings by now, and a signal of their changes.

    Parameters
    ----------
    source : SettingsSource
        Where they are kept.

    Attributes
    ----------
    settings : Settings
        What is so by now.
    faults : dict of str to str
        A sentence on each value that is kept but cannot be used, by its name.
    """

    changed = Signal()
    """Settings or faults are others."""

    def __init__(self, source: SettingsSource) -> None:
        self._source = source
        self.settings, self.faults = self._read()
        CHOSEN.choose(self.settings.keys)
        source.connect(self._changed)

    def _read(self) -> tuple[Settings, dict[str, str]]:
        content = self._source.read()
        return checked(content.get(GENERAL, {}), content.get(KEYS, {}))

    def _changed(self, *_: Any) -> None:
        before = self.settings, self.faults
        self.settings, self.faults = self._read()
        if (self.settings, self.faults) != before:
            CHOSEN.choose(self.settings.keys)
            self.changed.emit()

    def write(self, values: Mapping[str, Any], keys: Mapping[str, str] | None = None) -> None:
        """Change settings; all others stay.

        Parameters
        ----------
        values : mapping
            By the names of the fields of :class:`Settings`, as a file holds them: a path is a text, empty for None.
        keys : mapping of str to str, optional
            By :attr:`~napari_sam2.plugin.settings.keys.Key.setting`.

        Raises
        ------
        ValueError
            If one cannot be: then nothing is changed.
        OSError
            If they cannot be kept; they are used until the program ends.
        """
        before = self._source.read()
        all_keys = {**before.get(KEYS, {}), **(keys or {})}
        _, faults = checked(values, all_keys)
        wrong = [text for name, text in faults.items() if name in values or (keys is not None and name in keys)]
        if wrong:
            raise ValueError(wrong[0])
        if values:
            self._source.write(GENERAL, values)
        if keys:
            self._source.write(KEYS, keys)


@functools.cache
def stored_settings() -> StoredSettings:
    """Return the settings of the program: one object, as they are one file."""
    return StoredSettings(_source())
