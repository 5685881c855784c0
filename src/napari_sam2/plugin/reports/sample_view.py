"""The sample of masks that a person judges, as the worker reports it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from napari_sam2.session.state.error_sample import ErrorSample
    from napari_sam2.session.state.session_state import StateChange


class SampleView:
    """The sample of a session, as its changes are reported.

    Attributes
    ----------
    sample : ErrorSample or None
        What was drawn, and judged by now.
    changed : Signal
        Emitted when it is another one.
    """

    changed = Signal()

    def __init__(self) -> None:
        self.sample: ErrorSample | None = None

    def reset(self, state: StateChange) -> None:
        """Show that of a session that was opened."""
        self._show(state.error_samples.get(0))

    def show(self, change: StateChange) -> None:
        """Show what the session changed."""
        if change.error_samples:
            self._show(change.error_samples.get(0))

    def _show(self, sample: ErrorSample | None) -> None:
        before, self.sample = self.sample, sample
        if sample != before:
            self.changed.emit()
