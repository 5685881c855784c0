"""The points of the session in the viewer: its prompts, and clicks that it has not taken yet, as one Points layer.

The session is the owner of the prompts. What a person edits in the layer with napari's own tools becomes commands for the session,
and what the session changes is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import hypot
from typing import TYPE_CHECKING, Any

from napari.layers import Points
from napari.layers.base import ActionType

from napari_sam2.plugin.image.image_stack import ImageStack, Pixel
from napari_sam2.plugin.layers.object_colours import default_colour
from napari_sam2.plugin.layers.points_layer import (
    ShownPoint,
    new_points_layer,
    read_features,
    read_point,
    set_next,
    style_points,
    write_points,
)
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame, clicks_of
from napari_sam2.plugin.prompts.commands import AddClicks, ChangeClicks, Command, MoveClicks, RemoveClicks
from napari_sam2.plugin.prompts.pending_clicks import PendingClicks

if TYPE_CHECKING:
    from napari_sam2.session.state.session_state import StateChange


class PointsView:
    """Shows points, and turns what a person does to them into commands.

    Parameters
    ----------
    image : Image
        The layer on which the points lie.
    stack : ImageStack
        How it is read.
    on_clicks : callable
        Called when there are new pending clicks.
    on_edit : callable
        Called with the commands that an edit of the layer amounts to.
    warn : callable
        Shows a sentence to the person.

    Attributes
    ----------
    layer : Points or None
        The layer, while it is in the viewer.
    pending : PendingClicks
        Clicks that the session has not taken yet.
    """

    def __init__(
        self,
        image: Any,
        stack: ImageStack,
        on_clicks: Callable[[], None],
        on_edit: Callable[[tuple[Command, ...]], None],
        warn: Callable[[str], None],
    ) -> None:
        self.layer: Points | None = None
        self.pending = PendingClicks()
        self._image = image
        self._stack = stack
        self._on_clicks = on_clicks
        self._on_edit = on_edit
        self._warn = warn
        self._prompts: dict[ObjectFrame, tuple[Click, ...]] = {}
        self._shown: list[ShownPoint] = []
        self._next = (1, True)
        self._is_writing = False
        self._colours: dict[int, str | None] = {}

    @property
    def shown(self) -> list[ShownPoint]:
        """The points in the order of the layer."""
        return list(self._shown)

    @property
    def clicks(self) -> list[tuple[ObjectFrame, Click]]:
        """All clicks, those of the session first, also while no layer shows them."""
        taken = [(key, click) for key, clicks in self._prompts.items() for click in clicks]
        return taken + [(one.key, one.click) for one in self.pending.by_id.values()]

    @property
    def object_ids(self) -> set[int]:
        """Objects with a point in the prompts of the session, or with a pending click."""
        return {key.object_id for key in self._prompts} | {one.key.object_id for one in self.pending.by_id.values()}

    def object_at(self, pixel: Pixel, reach_px: float) -> int | None:
        """Return the object of the nearest pending click inside one, if that is not further away than so many pixels."""
        near = [
            (distance, point.key.object_id)
            for point in self._shown
            if point.pending is not None and point.key.frame == pixel.frame and point.click.is_inside
            if (distance := hypot(point.click.row - pixel.row, point.click.col - pixel.col)) <= reach_px
        ]
        return min(near)[1] if near else None

    # --- the layer -------------------------------------------------------------------------------------------------

    def new_layer(self) -> Points:
        """Make the layer, with everything that it shows."""
        layer = new_points_layer(self._image, self._stack)
        self._use(layer)
        self._draw(self._prompts)
        return layer

    def adopt(self, layer: Points) -> None:
        """Go on with the layer of an earlier widget: its points are pending clicks."""
        self._use(layer)
        self._take_new_points()
        style_points(layer, self._shown, self.colour_of)

    def take_over(self, layer: Points) -> None:
        """Show these points in the layer of another position of the image, instead of its own."""
        self._use(layer)
        self._shown = self._arranged(set(self._prompts))
        if self._shown or len(layer.data):
            self._write()

    def _use(self, layer: Points) -> None:
        self.layer, self._shown = layer, []
        layer.events.data.connect(self._data_changed)
        layer.events.features.connect(self._features_changed)

    def close(self) -> None:
        """Disconnect from the layer, which stays as it is. What it showed is shown in a new one."""
        if self.layer is not None:
            self.layer.events.data.disconnect(self._data_changed)
            self.layer.events.features.disconnect(self._features_changed)
        self.layer = None

    def colour_of(self, object_id: int) -> str:
        """Return the colour of an object, ``#rrggbb``."""
        return self._colours.get(object_id) or default_colour(object_id)

    def show_colours(self, colours: Mapping[int, str | None]) -> None:
        """Draw objects in these colours, ``#rrggbb``; None where nobody chose one."""
        before = dict(self._colours)
        self._colours |= colours
        if self.layer is not None and any(before.get(one) != colour for one, colour in colours.items()):
            with self._writing():
                style_points(self.layer, self._shown, self.colour_of)

    def set_next(self, object_id: int, is_inside: bool) -> None:
        """Choose object and side of the next point, also of one that napari's own tool adds."""
        self._next = object_id, is_inside
        if self.layer is not None:
            set_next(self.layer, object_id, is_inside)

    # --- what the session changes ----------------------------------------------------------------------------------

    def reset(self, state: StateChange) -> None:
        """Show the whole state of a session that was opened."""
        before, self._prompts = self._prompts, {}
        self.show(state)
        self._draw(before)

    def shift_pending(self, offset: int) -> None:
        """Add to the object ids of pending clicks that are not on their way."""
        self.pending.shift(offset)
        self._draw(())

    def forget_known(self, state: StateChange) -> None:
        """Discard pending clicks that are prompts of a session that is continued: an earlier widget showed them."""
        known = [(ObjectFrame(*key), click) for key, prompts in state.prompts.items() for click in clicks_of(prompts)]
        for number, one in list(self.pending.by_id.items()):
            if not one.is_sent and (one.key, one.click) in known:
                known.remove((one.key, one.click))
                self.pending.discard([number])

    def show(self, change: StateChange) -> None:
        """Show what the session changed."""
        keys = [ObjectFrame(*key) for key in change.prompts]
        for key in keys:
            clicks = clicks_of(change.prompts[key])
            self._prompts.pop(key, None)
            if clicks:
                self._prompts[key] = clicks
        self._draw(keys)

    def reject(self, command: Command, is_refused: bool = True) -> bool:
        """Show again what is so, as a command was not done; return whether that is news to the person.

        Parameters
        ----------
        command : Command
            Its clicks stay pending. Points that were to be edited are shown as they are in the session.
        is_refused : bool
            The session refused it: its clicks go along with the next click on the same object and frame, not with the next
            one anywhere.
        """
        is_news = True
        if isinstance(command, AddClicks):
            is_news = self.pending.give_back(command.ids, is_refused)
        elif isinstance(command, MoveClicks):
            standing = self._prompts.get(command.removal.key, ())
            if all(click in standing for click in command.removal.clicks):
                self.pending.discard(command.addition.ids)
            else:
                self.pending.give_back(command.addition.ids, is_refused)
        self._draw(self._prompts, has_edits=True)
        return is_news

    def _draw(self, keys: Iterable[ObjectFrame], has_edits: bool = False) -> None:
        """Draw the points of some objects and frames as they are in the session, and all pending ones; the rest as they are."""
        if self.layer is None:
            return
        self._take_pasted_points()
        arranged = self._arranged(set(keys))
        if arranged != self._shown or len(arranged) != len(self.layer.data) or has_edits:
            self._shown = arranged
            self._write()

    def _arranged(self, keys: set[ObjectFrame]) -> list[ShownPoint]:
        """Keep the order of the points that are shown; what is new comes last."""
        left = {key: list(self._prompts.get(key, ())) for key in keys}
        waiting = dict(self.pending.by_id)
        arranged = []
        for point in self._shown:
            if point.pending in waiting:
                one = waiting.pop(point.pending)
                arranged.append(ShownPoint(one.key, one.click, point.pending))
            elif left.get(point.key):
                arranged.append(ShownPoint(point.key, left[point.key].pop(0)))
            elif point.key not in left and point.pending is None:
                arranged.append(point)
        arranged += [ShownPoint(key, click) for key in self._prompts if key in left for click in left[key]]
        return arranged + [ShownPoint(one.key, one.click, number) for number, one in waiting.items()]

    def _write(self) -> None:
        with self._writing():
            if self.layer is not None:
                write_points(self.layer, self._stack, self._shown, self.colour_of)
                set_next(self.layer, *self._next)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let events of the layer be nobody's edits."""
        before, self._is_writing = self._is_writing, True
        try:
            yield
        finally:
            self._is_writing = before

    # --- what a person does ----------------------------------------------------------------------------------------

    def add(self, key: ObjectFrame, *clicks: Click) -> None:
        """Add clicks, and show them at once."""
        self._take_pasted_points()
        for click in clicks:
            self.pending.add(key, click)
        self._draw(())
        self._on_clicks()

    def add_pending(self, clicks: Mapping[ObjectFrame, Iterable[Click]]) -> None:
        """Add clicks that were given elsewhere, and show them."""
        self._take_pasted_points()
        for key, of_key in clicks.items():
            for click in of_key:
                self.pending.add(key, click)
        self._draw(())

    def withdraw(self, number: int) -> None:
        """Remove a pending click that is not on its way."""
        self.pending.discard([number])
        self._shown_pending_only()

    def _shown_pending_only(self) -> None:
        """Remove points of clicks that are not pending any more, and were not taken."""
        kept = [point for point in self._shown if point.pending is None or point.pending in self.pending.by_id]
        if len(kept) < len(self._shown):
            self._shown = kept
            self._write()

    def _data_changed(self, event: Any) -> None:
        if self._is_writing or self.layer is None:
            return
        if event.action == ActionType.ADDED:
            self._points_added()
        elif event.action == ActionType.REMOVED:
            self._points_removed(event.data_indices)
        elif event.action == ActionType.CHANGED:
            self._points_changed()

    def _points_added(self) -> None:
        if self._take_new_points():
            self._on_clicks()

    def _take_pasted_points(self) -> None:
        """Napari pastes points without an event: they count with the next click."""
        if self.layer is not None and len(self.layer.data) > len(self._shown):
            self._take_new_points()

    def _take_new_points(self) -> bool:
        """Take the last points of the layer as pending clicks; those that cannot be are removed."""
        assert self.layer is not None
        first, refused = len(self._shown), ""
        for index in range(first, len(self.layer.data)):
            try:
                key, click = read_point(self.layer, self._stack, index)
            except ValueError as error:
                refused = str(error)
            else:
                self._shown.append(ShownPoint(key, click, self.pending.add(key, click)))
        if refused:
            self._write()
            self._warn(f"A point was removed. {refused}")
        else:
            with self._writing():
                style_points(self.layer, self._shown, self.colour_of)
        return len(self._shown) > first

    def _points_removed(self, indices: Iterable[int]) -> None:
        assert self.layer is not None
        count = len(self._shown)
        gone = {int(index) % count for index in indices} if count else set()
        if count - len(gone) != len(self.layer.data):
            gone = set(range(len(self.layer.data), count))  # all data were replaced by fewer
        self._remove(gone)

    def _remove(self, gone: set[int]) -> None:
        removed: dict[ObjectFrame, list[Click]] = {}
        for index in sorted(gone):
            point = self._shown[index]
            if self._is_waiting(point):
                self.pending.discard([point.pending] if point.pending is not None else [])
            else:
                removed.setdefault(point.key, []).append(point.click)
        self._shown = [point for index, point in enumerate(self._shown) if index not in gone]
        self._edit([RemoveClicks(key, tuple(clicks)) for key, clicks in removed.items()])

    def _points_changed(self) -> None:
        assert self.layer is not None
        self._take_edits(range(min(len(self._shown), len(self.layer.data))), self._edit_of)
        if len(self.layer.data) < len(self._shown):
            self._remove(set(range(len(self.layer.data), len(self._shown))))
        elif len(self.layer.data) > len(self._shown):
            self._points_added()

    def _features_changed(self) -> None:
        # while a point is dragged this comes with each move: only objects and sides count
        if not self._is_writing and self.layer is not None and len(self.layer.data) == len(self._shown):
            self._take_edits(range(len(self._shown)), self._edit_of_features)
            if self.layer is not None:
                set_next(self.layer, *self._next)  # the point that was added just now is selected, which changed them

    def _edit_of(self, index: int, point: ShownPoint) -> tuple[ObjectFrame, Click] | str | None:
        """Read what a point became: object, frame and click; a sentence if that cannot be; None if it is as it was."""
        assert self.layer is not None
        try:
            found = read_point(self.layer, self._stack, index)
        except ValueError as error:
            return str(error)
        return None if found == (point.key, point.click) else found

    def _edit_of_features(self, index: int, point: ShownPoint) -> tuple[ObjectFrame, Click] | str | None:
        assert self.layer is not None
        try:
            object_id, is_inside = read_features(self.layer, index)
        except ValueError as error:
            return str(error)
        found = ObjectFrame(object_id, point.key.frame), point.click._replace(is_inside=is_inside)
        return None if found == (point.key, point.click) else found

    def _take_edits(
        self, indices: Iterable[int], edit_of: Callable[[int, ShownPoint], tuple[ObjectFrame, Click] | str | None]
    ) -> None:
        changed: dict[ObjectFrame, list[tuple[Click, Click]]] = {}
        moved, is_resubmitted, refused = list[Command](), False, ""
        for index in indices:
            point, edit = self._shown[index], edit_of(index, self._shown[index])
            if edit is None:
                continue
            if isinstance(edit, str):
                refused = edit
                continue
            key, click = edit
            pending = point.pending
            if pending is not None and self._is_waiting(point):
                self.pending.change(pending, key, click)
                is_resubmitted = True
            elif key == point.key:
                changed.setdefault(key, []).append((point.click, click))
            else:
                pending = self.pending.add(key, click, is_sent=True)
                moved.append(MoveClicks(RemoveClicks(point.key, (point.click,)), AddClicks(key, (click,), frozenset([pending]))))
            self._shown[index] = ShownPoint(key, click, pending)
        if refused:
            self._write()
            self._warn(f"A point was put back. {refused}")
        elif changed or moved or is_resubmitted:
            with self._writing():
                assert self.layer is not None
                style_points(self.layer, self._shown, self.colour_of)
        self._edit([*(ChangeClicks(key, tuple(pairs)) for key, pairs in changed.items()), *moved])
        if is_resubmitted:
            self._on_clicks()

    def _is_waiting(self, point: ShownPoint) -> bool:
        """The point is a pending click that is not on its way."""
        one = None if point.pending is None else self.pending.by_id.get(point.pending)
        return one is not None and not one.is_sent

    def _edit(self, commands: list[Command] | list[RemoveClicks]) -> None:
        if commands:
            self._on_edit(tuple(commands))
