"""The one table of what the window can do: names, keys, icons, tips and handlers.

Menus, toolbar, command palette and the page of keys are made from `ACTIONS`. A key means one
thing in a scope, and a scope's keys do not clash with those that work everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from app import icons
from app.proxemics_words import zone_span
from app.view_state import BRUSH_STEP
from engine.structures import ZONES, FrameRange, ProxemicsStatement, Zone

if TYPE_CHECKING:
    from app.main_window import MainWindow

Scope = Literal["everywhere", "frame view", "3D view"]
Menu = Literal["File", "Edit", "Go", "People", "Fit", "Review", "View", "Help"]
Need = Literal[
    "nothing", "project", "clip", "people", "bodies", "candidate", "fit", "work", "undo", "redo"
]  # fmt: skip
"""What there must be, in the words of `availability.Situation`; "fit": new bodies, or a fit that
runs; "work": any job."""
Handler = Callable[["MainWindow"], object]


@dataclass(frozen=True)
class ActionSpec:
    """One row of the table."""

    id: str
    text: str
    menu: Menu
    keys: tuple[str, ...]
    run: Handler
    tip: str = ""
    """A sentence for the tooltip and the palette; the key is added to it."""
    icon: str = ""
    scope: Scope = "everywhere"
    needs: Need = "clip"
    release: Handler | None = None
    """For a key that is held: what letting go does."""
    starts_group: bool = False
    waits_for_detection: bool = False
    """Whether it makes no sense while the people are being detected."""

    @property
    def is_held(self) -> bool:
        return self.release is not None


def _row(
    id: str, text: str, menu: Menu, keys: str, run: Handler, **more: Any
) -> ActionSpec:  # fmt: skip
    return ActionSpec(id, text, menu, tuple(keys.split()), run, **more)


def _zone_rows() -> list[ActionSpec]:
    """Hall's zones, in the words of a command."""

    def stating(zone: Zone) -> Handler:
        return lambda w: w.editing.stand(
            ProxemicsStatement(*w.view_state.pair, FrameRange(0, 0), zone)
        )

    return [
        _row(f"zone_{zone}", f"They stand in the {zone} zone", "People", "", stating(zone),
             tip=f"Say that their heads are {zone_span(zone)} apart: in the selection, else around "
             "this frame",
             needs="people", starts_group=zone == ZONES[0])
        for zone in ZONES
    ]  # fmt: skip


ACTIONS: tuple[ActionSpec, ...] = (
    _row("import_video", "Import video…", "File", "Ctrl+I", lambda w: w.projects.ask_for_videos(),
         tip="Add a video to the project and find the two people in it", icon="import",
         needs="nothing"),
    _row("import_detections", "Import detections or camera…", "File", "",
         lambda w: w.imports.ask_for_file(),
         tip="Take in people, masks or a camera that another tool found", icon="detect"),
    _row("new_project", "New project…", "File", "Ctrl+Shift+N", lambda w: w.projects.ask_for_new(),
         tip="Start an empty project file", icon="new", needs="nothing", starts_group=True),
    _row("open_project", "Open project…", "File", "Ctrl+O", lambda w: w.projects.ask_for_project(),
         tip="Open a project file", icon="open", needs="nothing"),
    _row("open_sample", "Open the sample", "File", "", lambda w: w.projects.open_sample(),
         tip="Open the bundled clip of two people", needs="nothing"),
    _row("export", "Export…", "File", "Ctrl+E", lambda w: w.projects.ask_for_export(),
         tip="Write the accepted clips as a dataset", icon="export", needs="project",
         starts_group=True),
    _row("assign_splits", "Assign splits…", "File", "", lambda w: w.projects.ask_for_splits(),
         tip="Divide the clips into train, validation and test so that nothing leaks",
         needs="project"),
    _row("preferences", "Preferences…", "File", "Ctrl+P", lambda w: w.show_preferences(),
         tip="Theme, your name, and what happens after an import", icon="preferences",
         needs="nothing", starts_group=True),
    _row("quit", "Quit", "File", "Ctrl+Q", lambda w: w.close(),
         tip="Close the window; everything is saved already", needs="nothing"),

    _row("undo", "Undo", "Edit", "Ctrl+Z", lambda w: w.editing.undo(), tip="Undo the last edit",
         icon="undo", needs="undo"),
    _row("redo", "Redo", "Edit", "Ctrl+Shift+Z Ctrl+Y", lambda w: w.editing.redo(),
         tip="Do again what was undone", icon="redo", needs="redo"),
    _row("mark_in", "Selection starts here", "Edit", "I", lambda w: w.playback.mark(out=False),
         tip="Set the first frame of the selection", starts_group=True),
    _row("mark_out", "Selection ends here", "Edit", "O", lambda w: w.playback.mark(out=True),
         tip="Set the last frame of the selection"),
    _row("escape", "Leave the tool, clear the selection", "Edit", "Esc", lambda w: w.escape(),
         tip="Back to looking; nothing is lost"),

    _row("play", "Play / pause", "Go", "Space", lambda w: w.playback.toggle(),
         tip="Play or pause", icon="play"),
    _row("shuttle_back", "Play backwards, faster", "Go", "J", lambda w: w.playback.shuttle(-1),
         tip="Play backwards; again for twice the speed"),
    _row("shuttle_stop", "Stop", "Go", "K", lambda w: w.playback.stop(), tip="Stop playing"),
    _row("shuttle_forward", "Play forward, faster", "Go", "L", lambda w: w.playback.shuttle(1),
         tip="Play forward; again for twice the speed"),
    _row("step_back", "Previous frame", "Go", "Left ,", lambda w: w.playback.step(-1),
         tip="One frame back", icon="step-back", starts_group=True),
    _row("step_forward", "Next frame", "Go", "Right .", lambda w: w.playback.step(1),
         tip="One frame forward", icon="step-forward"),
    _row("second_back", "One second back", "Go", "Shift+Left Shift+,",
         lambda w: w.playback.step_seconds(-1), tip="One second back"),
    _row("second_forward", "One second forward", "Go", "Shift+Right Shift+.",
         lambda w: w.playback.step_seconds(1), tip="One second forward"),
    _row("ten_back", "10 frames back", "Go", "Ctrl+Left Ctrl+,",
         lambda w: w.playback.step(-10), tip="10 frames back"),
    _row("ten_forward", "10 frames forward", "Go", "Ctrl+Right Ctrl+.",
         lambda w: w.playback.step(10), tip="10 frames forward"),
    _row("hundred_back", "100 frames back", "Go", "Ctrl+Alt+Left Ctrl+Alt+,",
         lambda w: w.playback.step(-100), tip="100 frames back"),
    _row("hundred_forward", "100 frames forward", "Go", "Ctrl+Alt+Right Ctrl+Alt+.",
         lambda w: w.playback.step(100), tip="100 frames forward"),
    _row("first_frame", "First frame", "Go", "Home", lambda w: w.playback.go_to_end(False),
         tip="First frame of the selection, or of the clip", icon="first"),
    _row("last_frame", "Last frame", "Go", "End", lambda w: w.playback.go_to_end(True),
         tip="Last frame of the selection, or of the clip", icon="last"),
    _row("go_to_frame", "Go to frame…", "Go", "Ctrl+G", lambda w: w.ask_for_frame(),
         tip="Go to a frame by its number"),
    _row("next_suspicious", "Next suspicious frame", "Go", "N", lambda w: w.review.step(1),
         tip="Next frame that looks wrong and is not reviewed yet", icon="next-suspicious",
         starts_group=True, needs="people"),
    _row("previous_suspicious", "Previous suspicious frame", "Go", "Shift+N",
         lambda w: w.review.step(-1), tip="Previous frame that looks wrong and is not reviewed",
         needs="people"),
    _row("next_clip", "Next clip", "Go", "Ctrl+N", lambda w: w.projects.next_clip(),
         tip="Next clip of the project"),

    _row("swap", "Swap the two people", "People", "S", lambda w: w.correcting.swap(),
         tip="Swap who is who: in the selection, else from here to the end of the shot. Joints, "
         "bodies and contacts move along; shapes stay with the person",
         icon="swap", needs="people"),
    _row("swap_frame", "Swap in this frame only", "People", "Shift+S Ctrl+T",
         lambda w: w.correcting.swap("frame"), tip="Swap who is who in this frame only",
         needs="people"),
    _row("select_first", "Select person 1", "People", "1", lambda w: w.select_person(0),
         tip="Select person 1", starts_group=True),
    _row("select_second", "Select person 2", "People", "2", lambda w: w.select_person(1),
         tip="Select person 2"),
    _row("select_other", "Select somebody else", "People", "3", lambda w: w.select_other(),
         tip="Select somebody else in this frame; again for the next one", needs="people"),
    _row("assign_first", "The selected one is person 1", "People", "Ctrl+1",
         lambda w: w.correcting.assign(0),
         tip="The selected skeleton is person 1, from here to the end of the shot",
         needs="people"),
    _row("assign_second", "The selected one is person 2", "People", "Ctrl+2",
         lambda w: w.correcting.assign(1),
         tip="The selected skeleton is person 2, from here to the end of the shot",
         needs="people"),
    _row("assign_first_frame", "The selected one is person 1, in this frame", "People",
         "Ctrl+Shift+1", lambda w: w.correcting.assign(0, "frame"),
         tip="The selected skeleton is person 1, in this frame only", needs="people"),
    _row("assign_second_frame", "The selected one is person 2, in this frame", "People",
         "Ctrl+Shift+2", lambda w: w.correcting.assign(1, "frame"),
         tip="The selected skeleton is person 2, in this frame only", needs="people"),
    _row("person_menu", "What the selected skeleton is…", "People", "Delete Menu Shift+F10",
         lambda w: w.remove_or_ask(),
         tip="All that can be said of the selected skeleton: who it is, or that it is nobody. A "
         "selected contact is removed instead",
         needs="people"),
    _row("somebody_else_frame", "Somebody else, in this frame", "People", "",
         lambda w: w.correcting.dismiss_selected("someone_else", "frame"),
         tip="The selected skeleton is none of the two, in this frame only", needs="people",
         starts_group=True),
    _row("somebody_else", "Somebody else, from here on", "People", "",
         lambda w: w.correcting.dismiss_selected("someone_else", "onward"),
         tip="The selected skeleton is none of the two, from here to the end of the shot",
         needs="people"),
    _row("not_a_person_frame", "Not a person, in this frame", "People", "",
         lambda w: w.correcting.dismiss_selected("not_a_person", "frame"),
         tip="Nobody is where the selected skeleton is, in this frame only", needs="people"),
    _row("not_a_person", "Not a person, from here on", "People", "",
         lambda w: w.correcting.dismiss_selected("not_a_person", "onward"),
         tip="Nobody is where the selected skeleton is, from here to the end of the shot",
         needs="people"),
    _row("tool_select", "Look and drag joints", "People", "V", lambda w: w.set_tool("select"),
         tip="Look around; drag a joint in the video to correct it", icon="select",
         starts_group=True),
    _row("tool_contact", "Mark a contact", "People", "C", lambda w: w.set_tool("contact"),
         tip="Click a region on one body, then the region it touches on the other",
         icon="contact", needs="bodies"),
    _row("tool_depth", "Say who is in front", "People", "D", lambda w: w.set_tool("depth"),
         tip="Click the person who is nearer to the camera", icon="depth", needs="bodies"),
    _row("tool_box", "Draw or move a box", "People", "Q", lambda w: w.set_tool("box"),
         tip="Drag around a person to say where they are, or drag a box by its handles",
         icon="box"),
    _row("tool_mask", "Paint a mask", "People", "M", lambda w: w.set_tool("mask"),
         tip="Paint which pixels are the selected person; Ctrl or the right button erases",
         icon="mask", needs="people"),
    _row("take_back_box", "Take back the drawn box", "People", "Shift+Q",
         lambda w: w.correcting.take_back_box(), tip="The detected box counts again in this frame",
         starts_group=True),
    _row("take_back_mask", "Take back the painted mask", "People", "Shift+M",
         lambda w: w.correcting.take_back_mask(),
         tip="The detected mask counts again in this frame", needs="people"),
    _row("distrust", "Do not believe the detections", "People", "T", lambda w: w.editing.trust(0.0),
         tip="The fit ignores what was detected of the selected person: in the selection, else in "
         "this frame. What was placed by hand counts",
         icon="distrust", needs="people", starts_group=True),
    _row("trust", "Believe the detections again", "People", "Shift+T",
         lambda w: w.editing.trust(1.0),
         tip="The selected person's detections count again: in the selection, else in this frame",
         needs="people"),
    *_zone_rows(),
    _row("take_back_standing", "Take back how they stand", "People", "",
         lambda w: w.editing.take_back_standing(),
         tip="Nothing is said any more of zone, distance and facing here", needs="people"),
    _row("take_back_depth", "Take back who is in front", "People", "Shift+D",
         lambda w: w.editing.take_back_depth(),
         tip="Nothing is said any more of who is in front here", needs="bodies"),
    _row("brush_smaller", "Smaller brush", "People", "[", lambda w: w.scale_brush(1 / BRUSH_STEP),
         tip="A smaller brush for painting masks; so does Ctrl+wheel", needs="people"),
    _row("brush_larger", "Larger brush", "People", "]", lambda w: w.scale_brush(BRUSH_STEP),
         tip="A larger brush for painting masks; so does Ctrl+wheel", needs="people"),

    _row("detect", "Detect the people", "Fit", "", lambda w: w.fitting.detect_shown(),
         tip="Find the two people in the clip", icon="detect", waits_for_detection=True),
    _row("detect_again", "Detect again with the corrections", "Fit", "Ctrl+D",
         lambda w: w.fitting.detect_again(),
         tip="Look again in the selection, or the clip, knowing all that was corrected",
         needs="people", waits_for_detection=True),
    _row("refit", "Re-fit", "Fit", "E", lambda w: w.fitting.refit(),
         tip="Fit the selection again, or what the last edits touched", icon="refit",
         starts_group=True, needs="people"),
    _row("refit_clip", "Fit the whole clip", "Fit", "Shift+E", lambda w: w.fitting.fit_clip(),
         tip="Fit all frames of the clip", icon="fit", needs="people"),
    _row("show_before", "Show before", "Fit", "B", lambda w: w.show_before(True),
         release=lambda w: w.show_before(False), tip="Hold to see the bodies before the re-fit",
         icon="before", needs="candidate", starts_group=True),
    _row("keep", "Keep the new bodies", "Fit", "Return Enter", lambda w: w.fitting.keep(),
         tip="Keep the re-fitted bodies", icon="keep", needs="candidate"),
    _row("discard", "Discard the new bodies", "Fit", "Backspace", lambda w: w.fitting.discard(),
         tip="Go back to the bodies before the re-fit", icon="discard", needs="fit"),
    _row("freeze", "Freeze / unfreeze", "Fit", "X", lambda w: w.editing.toggle_frozen(),
         tip="Freeze the selection, so that no fit changes it", icon="freeze",
         starts_group=True, needs="bodies"),
    _row("cancel_job", "Cancel the running job", "Fit", "", lambda w: w.fitting.cancel(),
         tip="Stop detecting or fitting", needs="work"),

    _row("accept", "Accept", "Review", "A", lambda w: w.editing.review("accepted"),
         tip="Accept the selection, or the clip", icon="accept", needs="bodies"),
    _row("accept_next", "Accept and go on", "Review", "Shift+A", lambda w: w.accept_and_go_on(),
         tip="Accept and go to the next clip that waits for review", needs="bodies"),
    _row("send_back", "Send back…", "Review", "R", lambda w: w.send_back(),
         tip="Send the selection, or the clip, back with a reason", icon="send-back",
         needs="people"),
    _row("unusable", "Unusable", "Review", "U", lambda w: w.editing.review("unusable"),
         tip="Mark the selection, or the clip, as unusable", icon="unusable", needs="people"),

    _row("hide_overlays", "Hide the overlays", "View", "H",
         lambda w: w.set_overlays(False), release=lambda w: w.set_overlays(True),
         tip="Hold to see the bare video", icon="overlays"),
    _row("fit_frame_view", "Whole frame", "View", "F", lambda w: w.frame_view.fit(),
         tip="Show the whole frame", scope="frame view", starts_group=True),
    _row("frame_bodies", "Frame both bodies", "View", "F", lambda w: w.mesh_view.frame_bodies(),
         tip="Frame both bodies", scope="3D view"),
    _row("look_from_top", "From the top", "View", "7", lambda w: w.mesh_view.look_from("top"),
         tip="See the bodies from the top", starts_group=True),
    _row("look_from_camera", "From the camera", "View", "8",
         lambda w: w.mesh_view.look_from("camera"), tip="See the bodies as the camera does"),
    _row("look_from_side", "From the side", "View", "9", lambda w: w.mesh_view.look_from("side"),
         tip="See the bodies from the side"),
    _row("see_through", "See-through bodies", "View", "0",
         lambda w: w.mesh_view.toggle_see_through(), tip="Make the bodies transparent"),

    _row("palette", "Commands…", "Help", "Ctrl+K", lambda w: w.show_palette(),
         tip="Find a command by typing", icon="palette", needs="nothing"),
    _row("help", "Keys and help", "Help", "F1 ? Shift+?", lambda w: w.show_help(),
         tip="All keys on one page", icon="help", needs="nothing"),
    _row("open_log", "Show the log", "Help", "", lambda w: w.show_log(),
         tip="Open the file that records what went wrong", needs="nothing"),
)  # fmt: skip
"""Sorted by menu; a menu shows its rows in this order."""


def clashes(actions: Iterable[ActionSpec] = ACTIONS) -> list[str]:
    """Keys that mean two things in one scope, in words; empty when there are none."""
    owners: dict[tuple[str, str], list[ActionSpec]] = {}
    rows = list(actions)
    for spec in rows:
        for key in spec.keys:
            name = QKeySequence(key).toString()
            reach = {"everywhere", "frame view", "3D view"}
            for scope in reach if spec.scope == "everywhere" else {spec.scope}:
                owners.setdefault((scope, name), []).append(spec)
    return sorted(
        f"{key} in {scope}: {' and '.join(spec.text for spec in specs)}"
        for (scope, key), specs in owners.items()
        if len(specs) > 1
    )


def key_text(spec: ActionSpec) -> str:
    """The first key as the platform writes it, e.g. "Ctrl+Shift+Z"."""
    if not spec.keys:
        return ""
    shown = QKeySequence(spec.keys[0]).toString(QKeySequence.SequenceFormat.NativeText)
    return f"hold {shown}" if spec.is_held else shown


def tooltip(spec: ActionSpec, key: str | None = None) -> str:
    key = key_text(spec) if key is None else key
    sentence = spec.tip or spec.text.rstrip("…")
    return f"{sentence} ({key})" if key else sentence


def build(window: MainWindow, scopes: Mapping[Scope, QWidget]) -> dict[str, QAction]:
    """Make a QAction of every row and give it to the widget in which its keys work."""
    made: dict[str, QAction] = {}
    for spec in ACTIONS:
        action = QAction(spec.text, window)
        action.setObjectName(spec.id)
        action.setToolTip(tooltip(spec))
        action.setStatusTip("")  # the status line says the mode, not the menu under the mouse
        if spec.icon:
            action.setIcon(icons.icon(spec.icon))
        if spec.is_held:
            action.setCheckable(True)
            action.toggled.connect(_held_handler(spec, window))
            action.setText(f"{spec.text}\t{key_text(spec)}")
        else:
            action.setShortcuts([QKeySequence(key) for key in spec.keys])
            action.triggered.connect(_handler(spec, window))
        everywhere = spec.scope == "everywhere"
        action.setShortcutContext(
            Qt.ShortcutContext.WindowShortcut
            if everywhere
            else Qt.ShortcutContext.WidgetWithChildrenShortcut
        )
        (window if everywhere else scopes[spec.scope]).addAction(action)
        made[spec.id] = action
    return made


def _handler(spec: ActionSpec, window: MainWindow) -> Callable[..., None]:
    return lambda *_: (spec.run(window), None)[1]


def _held_handler(spec: ActionSpec, window: MainWindow) -> Callable[[bool], None]:
    def toggled(down: bool) -> None:
        handler = spec.run if down else spec.release
        if handler is not None:
            handler(window)

    return toggled
