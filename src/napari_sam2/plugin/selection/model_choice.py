"""Which model is used, and where it computes: chosen, fetched, tested, and followed when settings change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_sam2.plugin.jobs.session_jobs import SessionJobs
from napari_sam2.plugin.selection.image_choice import ImageChoice
from napari_sam2.plugin.selection.workspaces import Workspaces
from napari_sam2.plugin.sessions.session_opener import SessionOpener
from napari_sam2.plugin.settings.machine import MachineSurveyed, SelfTested, run_self_test, survey
from napari_sam2.plugin.settings.models import BEST, MODEL_NAMES, checked_file, model_to_begin_with, size_mb
from napari_sam2.plugin.settings.place import THIS_MACHINE, Place
from napari_sam2.plugin.settings.settings import StoredSettings
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace


@dataclass(frozen=True)
class ModelCalls:
    """What the choice of a model calls.

    Attributes
    ----------
    changed : callable
        Something else is to be shown.
    status_changed : callable
        Called with a text for the person.
    warn : callable
        Called with a sentence on why something cannot be done.
    """

    changed: Callable[[], None]
    status_changed: Callable[[str], None]
    warn: Callable[[str], None]


class ModelChoice:
    """Knows which model is chosen, for the image that is worked on and for those to come.

    Parameters
    ----------
    settings : StoredSettings
        Device, precision, and the model to begin with.
    opener : SessionOpener
        Opens sessions with what is chosen.
    jobs : SessionJobs
        Loads, fetches and tests.
    workspaces : Workspaces
        The work on all images.
    images : ImageChoice
        Has the image that is worked on.
    calls : ModelCalls
        What is called.

    Attributes
    ----------
    machine : MachineSurveyed or None
        What was found out about the machine.
    self_test : SelfTested or None
        How the last self-test went on the device that is chosen.
    """

    def __init__(
        self,
        settings: StoredSettings,
        opener: SessionOpener,
        jobs: SessionJobs,
        workspaces: Workspaces,
        images: ImageChoice,
        calls: ModelCalls,
    ) -> None:
        self._settings = settings
        self._opener = opener
        self._jobs = jobs
        self._workspaces = workspaces
        self._images = images
        self._calls = calls
        self._latest = model_to_begin_with(settings.settings.default_model)
        self._is_chosen = False
        self.machine: MachineSurveyed | None = None
        self.self_test: SelfTested | None = None
        self._wanted = settings.settings.place
        opener.use(settings.settings)
        opener.move_to(self._wanted)
        settings.changed.connect(self._settings_changed)

    def close(self) -> None:
        """Do not follow the settings any more."""
        self._settings.changed.disconnect(self._settings_changed)

    # --- which model -----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The model that is chosen for the image that is worked on."""
        workspace = self._images.workspace
        return self._latest if workspace is None else workspace.model

    @property
    def latest(self) -> str:
        """The model that a further image begins with."""
        return self._latest

    def follow(self) -> None:
        """Let further images begin with the model of the one that is worked on, which an undo may have changed."""
        self._latest = self.name

    def choose(self, name: str) -> None:
        """Go on with another model: everything that is not a mask stays. If the session refuses it, it goes on as it was.

        Parameters
        ----------
        name : str
            One of ``MODEL_NAMES``, or the path of a checkpoint file, such as one that was fine-tuned.

        Raises
        ------
        ValueError
            If there is no such model or file, or it is no checkpoint.
        """
        if name not in MODEL_NAMES:
            if not Path(name).is_file():
                raise ValueError(f"there is no model {name!r}, nor is there such a file; there are {', '.join(MODEL_NAMES)}")
            name = checked_file(name)
        self._is_chosen = True
        self._go_on_with(name)

    def choose_file(self, path: str) -> None:
        """Go on with the model in a file; one that is none is told."""
        try:
            self.choose(path)
        except ValueError as error:
            self._calls.warn(str(error))

    def _go_on_with(self, name: str) -> None:
        if name == self.name:
            return
        self._latest = name
        workspace = self._images.workspace
        if workspace is not None:
            workspace.model, workspace.requested_model = name, None
            if workspace.is_model_here:
                self._jobs.use_model(workspace)
            else:
                self._calls.status_changed("")  # what is missing is said instead
        self._calls.changed()

    # --- its weights -----------------------------------------------------------------------------------------------

    @property
    def is_here(self) -> bool:
        """The weights of the model need not be downloaded first."""
        return self._opener.has(self.name)

    @property
    def missing_weights(self) -> str:
        """What to do where they are not here."""
        if self.name not in MODEL_NAMES:
            return f"The file {self.name} is not there any more: choose another model."
        return f"The weights of {self.name} are not on this machine: download {size_mb(self.name)} MB, or choose micro."

    def download(self) -> None:
        """Fetch the weights of the model."""
        self._jobs.download(self.name)

    @property
    def is_downloading(self) -> bool:
        """Weights are being fetched, or are about to."""
        return self._jobs.is_downloading

    def downloaded(self, name: str) -> None:
        """Go on with a model whose weights have come, wherever it is chosen."""
        for workspace in self._workspaces:
            if workspace.model == name:
                self._jobs.use_model(workspace)

    # --- where it computes -----------------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """Where models compute."""
        return self._opener.place

    @property
    def transfers(self) -> str:
        """What travelled to another machine and back; empty where this one computes."""
        return self._opener.transfers

    def compute_on(self, name: str) -> None:
        """Let models compute on this machine, or on another one as soon as that is reached; try again where it was not.

        Parameters
        ----------
        name : str
            :data:`~napari_sam2.plugin.settings.place.THIS_MACHINE`, or the address of a scheduler of dask.
        """
        before, name = self._wanted, name.strip()
        values = {"compute_on": name} if name in ("", THIS_MACHINE) else {"compute_on": name, "last_scheduler": name}
        try:
            self._settings.write(values)
        except (ValueError, OSError) as error:
            self._calls.warn(str(error))
            return
        is_reached = self.machine is not None and self.machine.place == self._wanted
        if before == self._wanted and not is_reached:
            self.survey_machine()

    def survey_machine(self) -> None:
        """Find out which devices are here, and begin with the best model, unless another one is chosen."""
        text = f"Connecting to {self._wanted.scheduler} …" if self._wanted.is_elsewhere else ""
        self._jobs.run_on_machine(partial(survey, self._wanted, self._opener.reach), text)

    def run_self_test(self) -> None:
        """Let the embedded model segment an object whose area is known, on the device that is chosen."""
        precision = self._settings.settings.precision
        self._jobs.run_on_machine(partial(run_self_test, self.place, self._opener.reach, precision), "Testing the device …")

    def machine_reported(self, item: MachineSurveyed | SelfTested) -> None:
        """Take note of what was found out."""
        if isinstance(item, SelfTested):
            self.self_test = item
            return
        self.machine = item
        if item.place == self._wanted:
            self._move()
        workspace = self._images.workspace
        is_open = workspace is not None and workspace.worker.session is not None
        if self._settings.settings.default_model == BEST and not self._is_chosen and not is_open:
            self._go_on_with(item.best_model)

    def _settings_changed(self) -> None:
        """Go on by other settings; sessions are opened again on another device."""
        settings = self._settings.settings
        self._opener.use(settings)
        if fault := next(iter(self._settings.faults.values()), ""):
            self._calls.status_changed(f"{fault}.")
        if settings.place != self._wanted:
            self._wanted = settings.place
            if not self._wanted.is_elsewhere:
                self._move()  # another machine is to be reached first: until then sessions go on where they are
            self.survey_machine()
        self._calls.changed()

    def _move(self) -> None:
        """Let sessions compute at the place that is wanted."""
        if self._wanted != self._opener.place:
            self.self_test = None
            self._opener.move_to(self._wanted)
            self._open_again()

    def _open_again(self) -> None:
        """Open all sessions again, with everything in them, by the settings that are so by now."""
        is_any_left = any(_has_unsaved(workspace) for workspace in self._workspaces)
        self._images.open_again(lambda workspace: not _has_unsaved(workspace))
        if is_any_left:
            self._calls.warn(
                "The session is not saved, so it stays on the device that it has: other sessions are opened on the new one"
            )


def _has_unsaved(workspace: ImageWorkspace) -> bool:
    kept = workspace.kept
    return workspace.worker.session is not None and (kept.saved_to is None or bool(kept.not_kept))
