"""The frame view: the right picture in the right place, and edits by hand on it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QKeyEvent
from PySide6.QtWidgets import QApplication

from annotations.corrections import effective_observations
from app import frame_evidence as evidence
from app.frame_bodies import NEAR, project
from app.frame_view import FrameView
from app.gl_renderer import shared_renderer
from app.gl_view import STILL_MS
from app.mesh_view import MeshView
from app.picture_transform import PictureTransform
from app.view_state import Candidate
from engine.body.joints import HALPE26
from engine.structures import (
    BoxEdit,
    Camera,
    Constraints,
    FrameRange,
    KeypointEdit,
    MaskEdit,
    Observations,
    RunLengthMask,
)
from tests.app.scenes import (
    FRAMES,
    MIDDLE,
    RIGHT,
    SIZE,
    click,
    drag,
    heard,
    make_camera,
    make_motion,
    make_state,
    make_view_state,
    mouse,
    shown,
    wheel,
)

WRIST = HALPE26.index("left_wrist")
transforms = st.builds(
    PictureTransform, st.floats(0.05, 30), st.tuples(st.floats(-900, 900), st.floats(-900, 900))
)
points = st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000))


@pytest.fixture
def view_state(qapp):
    return make_view_state()


@pytest.fixture
def view(qtbot, view_state):
    made = shown(qtbot, lambda: FrameView(view_state), 800, 600)
    made.set_frame_image(0, picture(0))
    return made


def picture(index: int) -> np.ndarray:
    """A grey frame, its brightness its number."""
    return np.full((SIZE[1], SIZE[0], 3), 40 + 10 * index, np.uint8)


def array_of(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8)
    return pixels.reshape(image.height(), image.width(), 4)[..., :3].copy()


def joint_at(view: FrameView, person: int, keypoint: int = WRIST) -> QPointF:
    return QPointF(*view.skeletons()[person].points[keypoint])


def press_escape(view: FrameView) -> bool:
    """As Qt does: first ask whether the widget wants the key for itself. True if it did."""
    key, none = Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier
    asked = QKeyEvent(QEvent.Type.ShortcutOverride, key, none)
    asked.ignore()
    QApplication.sendEvent(view, asked)
    if asked.isAccepted():
        QApplication.sendEvent(view, QKeyEvent(QEvent.Type.KeyPress, key, none))
    return asked.isAccepted()


# -- where the picture lies ---------------------------------------------------------------------


@given(transform=transforms, point=points)
def test_view_and_picture_convert_into_each_other(transform, point):
    there = transform.to_view(np.array(point))
    np.testing.assert_allclose(transform.to_picture(there), point, atol=1e-6)


@given(transform=transforms, point=points, factor=st.floats(0.2, 5))
def test_zooming_keeps_what_is_under_the_cursor(transform, point, factor):
    before = transform.to_picture(np.array(point))
    after = transform.zoomed(factor, *point, least=0.05).to_picture(np.array(point))
    np.testing.assert_allclose(after, before, atol=1e-5 * (1 + np.abs(before).max()))


@given(size=st.tuples(*[st.integers(16, 4000)] * 2), view=st.tuples(*[st.integers(50, 3000)] * 2))
def test_a_fitted_picture_fills_one_side_and_leaves_the_other_inside(size, view):
    corners = PictureTransform.fitted(size, view).to_view(np.array([[0, 0], size]))
    extent = corners[1] - corners[0]
    assert (extent <= np.array(view) + 1e-6).all()
    assert np.isclose(extent, view).any()
    np.testing.assert_allclose(corners.mean(0), np.array(view) / 2, atol=1e-6)


def test_the_picture_is_shown_pixel_for_pixel(qtbot, view_state):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    view = shown(qtbot, lambda: FrameView(view_state), SIZE[0] + 16, SIZE[1] + 16)
    view.set_frame_image(0, frame)
    view_state.overlays_visible = False
    assert view.transform.scale == 1.0
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    shown_pixels = data[:, : image.width() * 3].reshape(image.height(), image.width(), 3)
    np.testing.assert_array_equal(shown_pixels[8 : 8 + SIZE[1], 8 : 8 + SIZE[0]], frame)


def test_the_wheel_zooms_to_the_cursor_and_the_zoom_stays_for_the_next_frame(view, view_state):
    before = view.transform.to_picture(np.array([500.0, 200.0]))
    wheel(view, (500, 200), 360)
    np.testing.assert_allclose(view.transform.to_picture(np.array([500.0, 200.0])), before)
    zoomed = view.transform
    assert zoomed.scale > 1.5
    view_state.frame = 3
    view.set_frame_image(3, picture(3))
    assert view.transform == zoomed


def test_the_middle_button_pans_and_fit_brings_the_whole_frame_back(view):
    fitted = view.transform
    drag(view, (300, 300), (340, 320), button=MIDDLE)
    assert view.transform.offset == pytest.approx((fitted.offset[0] + 40, fitted.offset[1] + 20))
    view.fit()
    assert view.transform == fitted


def test_the_picture_cannot_be_lost_out_of_sight(view):
    drag(view, (300, 300), (9000, 9000), button=MIDDLE)
    corner = view.transform.to_view(np.zeros(2))
    assert corner[0] < view.width()
    assert corner[1] < view.height()


def test_a_fitted_frame_stays_fitted_when_the_widget_changes_size(view, qtbot):
    view.resize(500, 400)
    qtbot.waitUntil(lambda: view.width() == 500)
    assert view.transform == PictureTransform.fitted(SIZE, (500, 400), margin=8)


# -- the camera ---------------------------------------------------------------------------------


@given(
    seen=st.lists(
        st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.5, 9)), min_size=1, max_size=5
    )
)
def test_projection_is_k_times_the_point_in_the_camera(seen):
    camera, points = make_camera(), np.array(seen)
    T = camera.T_camera_world[0]
    world = (points - T[:3, 3]) @ T[:3, :3]
    homogeneous = points @ camera.K.T
    expected = np.concatenate([homogeneous[:, :2] / homogeneous[:, 2:], points[:, 2:]], 1)
    np.testing.assert_allclose(project(camera, 0, world), expected, rtol=1e-6, atol=1e-6)


def test_a_lens_that_distorts_moves_points_outward():
    plain = make_camera()
    wide = Camera(plain.K, SIZE, plain.T_camera_world, "file", np.array([0.2, 0.0, 0.0, 0.0, 0.0]))
    points = np.array([[0.8, 1.5, 0.0]])
    middle = np.array(SIZE) / 2
    offset = project(plain, 0, points)[0, :2] - middle
    bent = project(wide, 0, points)[0, :2] - middle
    radius2 = float(((offset / 600) ** 2).sum())
    np.testing.assert_allclose(bent, offset * (1 + 0.2 * radius2), rtol=1e-6)


def test_what_is_behind_the_camera_stays_finite():
    assert np.isfinite(project(make_camera(), 0, np.array([[0.0, 1.0, 9.0]]))).all()
    assert project(make_camera(), 0, np.array([[0.0, 1.0, 9.0]]))[0, 2] == NEAR


# -- what is drawn ------------------------------------------------------------------------------


def test_the_overlay_belongs_to_the_picture_on_screen_while_the_decoder_is_behind(qtbot):
    motion = make_motion()
    transl = motion.transl.copy()
    transl[:, 5:, 0] += 0.5
    state = make_view_state(make_state(replace(motion, transl=transl)))
    view = shown(qtbot, lambda: FrameView(state), 800, 600)
    view.set_frame_image(2, picture(2))
    before = joint_at(view, 0)
    state.frame = 8
    assert view.shown_frame == 2
    assert joint_at(view, 0) == before
    dragged = heard(view.keypoint_dragged)
    drag(view, before, before + QPointF(9, 0), before + QPointF(20, 0))
    assert dragged[0][1] == 2
    view.set_frame_image(8, picture(8))
    assert joint_at(view, 0).x() > before.x() + 20


def test_the_bodies_are_drawn_where_the_camera_sees_them_in_their_colours(view, view_state):
    for layer in ("skeletons", "boxes", "trails", "names"):
        view.set_layer_visible(layer, False)
    image = view.grab().toImage()
    for person, someone in enumerate(view_state.state.identities):
        hip = view_state.state.observations.keypoints2d[person, 0, 19]
        at = view.transform.to_view(hip - (0, 12))
        found, wanted = image.pixelColor(*map(round, at)), QColor(someone.color)
        assert abs(found.hsvHue() - wanted.hsvHue()) < 12
        assert found.hsvSaturationF() > 0.4
    view.set_layer_visible("bodies", False)
    assert view.grab().toImage().pixelColor(*map(round, at)).hsvSaturationF() < 0.05


def test_holding_the_overlays_away_shows_the_bare_video(view, view_state):
    with_overlays = view.grab().toImage()
    view_state.overlays_visible = False
    bare = view.grab().toImage()
    assert bare != with_overlays
    inside = [bare.pixelColor(x, y).getRgb()[:3] for x in (200, 400, 600) for y in (100, 300, 500)]
    assert set(inside) == {(40, 40, 40)}


def test_an_unknown_layer_is_refused(view):
    with pytest.raises(ValueError, match="expected one of"):
        view.set_layer_visible("hats", True)


def test_edits_lie_over_the_detections(view_state):
    edits = (
        KeypointEdit(0, 2, WRIST, 11.0, 22.0),
        KeypointEdit(0, 2, 0, np.nan, np.nan, visible=False),
        KeypointEdit(1, 2, WRIST, 33.0, 44.0),
        KeypointEdit(0, 3, WRIST, 55.0, 66.0),
    )
    state = replace(view_state.state, constraints=Constraints(keypoint_edits=edits))
    found = evidence.skeleton(state, 0, 2)
    assert found.points[WRIST].tolist() == [11.0, 22.0]
    assert np.flatnonzero(found.edited).tolist() == [WRIST]
    assert np.flatnonzero(found.hidden).tolist() == [0]
    assert np.isfinite(found.points[0]).all()
    assert not found.is_sure[0]


def test_a_gap_has_no_skeleton_and_no_box(view_state):
    seen = view_state.state.observations
    keypoints, boxes = seen.keypoints2d.copy(), seen.boxes.copy()
    keypoints[1, 4], boxes[1, 4] = np.nan, np.nan
    state = replace(
        view_state.state, observations=replace(seen, keypoints2d=keypoints, boxes=boxes)
    )
    assert evidence.skeleton(state, 1, 4) is None
    assert evidence.box(state, 1, 4) is None
    assert evidence.skeleton(state, 0, FRAMES + 5) is None


def test_every_state_of_a_clip_can_be_painted(view, view_state):
    full = view_state.state
    for state in (
        replace(full, motion=None, camera=None),
        replace(full, observations=None),
        replace(full, diagnostics=None),
    ):
        view_state.set_state(state)
        view.grab()
    view_state.clip_id = None
    view.grab()


# -- correcting joints --------------------------------------------------------------------------


def test_dragging_a_joint_is_one_edit_in_picture_pixels(view):
    dragged = heard(view.keypoint_dragged)
    start = joint_at(view, 0)
    stops = [start + QPointF(step, 2 * step) for step in (5, 10, 20)]
    drag(view, start, *stops)
    expected = view.transform.to_picture(np.array([stops[-1].x(), stops[-1].y()]))
    ((person, frame, keypoint, x, y),) = dragged
    assert (person, frame, keypoint) == (0, 0, WRIST)
    np.testing.assert_allclose([x, y], expected)


def test_the_joint_follows_the_mouse_and_stays_until_the_project_answers(view, view_state):
    start = joint_at(view, 0)
    there = start + QPointF(30, 10)
    drag(view, start, start + QPointF(8, 2), there, let_go=False)
    assert (joint_at(view, 0) - there).manhattanLength() < 1e-6
    mouse(view, "release", there)
    assert (joint_at(view, 0) - there).manhattanLength() < 1e-6
    view_state.set_state(view_state.state)
    assert (joint_at(view, 0) - start).manhattanLength() < 1e-6


def test_escape_cancels_the_drag_and_belongs_to_the_window_otherwise(view):
    dragged = heard(view.keypoint_dragged)
    start = joint_at(view, 0)
    assert not press_escape(view)
    drag(view, start, start + QPointF(20, 0), let_go=False)
    assert press_escape(view)
    mouse(view, "release", start + QPointF(20, 0))
    assert dragged == []
    assert (joint_at(view, 0) - start).manhattanLength() < 1e-6


def test_a_joint_cannot_be_dragged_out_of_the_picture(view):
    dragged = heard(view.keypoint_dragged)
    drag(view, joint_at(view, 0), (100, 100), (-500, 5000))
    assert dragged[0][3:] == (0.0, float(SIZE[1]))


def test_a_right_click_hides_the_joint(view):
    hidden, dragged = heard(view.keypoint_hidden), heard(view.keypoint_dragged)
    click(view, joint_at(view, 1), button=RIGHT)
    assert hidden == [(1, 0, WRIST)]
    assert dragged == []


def test_where_joints_lie_on_each_other_the_selected_person_s_is_taken(qtbot):
    state = make_view_state(make_state(make_motion(apart=0.0)))
    view = shown(qtbot, lambda: FrameView(state), 800, 600)
    at = joint_at(view, 0)
    for person in (0, 1):
        state.selected_person = person
        assert view.joint_under(at) == (person, WRIST)


def test_in_the_contact_tool_joints_stay_where_they_are(view, view_state):
    view_state.tool = "contact"
    dragged, hidden = heard(view.keypoint_dragged), heard(view.keypoint_hidden)
    start = joint_at(view, 0)
    drag(view, start, start + QPointF(25, 0))
    click(view, start, button=RIGHT)
    assert (dragged, hidden) == ([], [])


# -- clicking people ----------------------------------------------------------------------------


def test_a_click_names_the_person_by_body_joint_or_box(view, view_state):
    clicked = heard(view.body_clicked)
    click(view, joint_at(view, 1))
    hips = view_state.state.observations.keypoints2d[:, 0, 19]
    click(view, tuple(view.transform.to_view(hips[0] - (0, 12))))
    box = view_state.state.observations.boxes[1, 0]
    click(view, tuple(view.transform.to_view(box[2:] - 2)))
    click(view, (3.0, 3.0))
    assert clicked == [(1,), (0,), (1,)]


def test_both_views_name_the_same_region_for_the_same_place(qtbot, view, view_state):
    solid = shown(qtbot, lambda: MeshView(view_state), *SIZE)
    solid.look_from("camera")
    view_state.tool = "contact"
    clicked = heard(view.region_clicked)
    found = 0
    for x, y in np.random.default_rng(1).uniform((200, 130), (440, 380), (60, 2)):
        region = solid.region_under(QPointF(x, y))
        clicked.clear()
        click(view, tuple(view.transform.to_view(np.array([x, y]))))
        assert clicked == ([] if region is None else [region])
        found += region is not None
    assert found > 10


def test_hovering_in_the_contact_tool_announces_the_region(view, view_state):
    view_state.tool = "contact"
    hip = view_state.state.observations.keypoints2d[0, 0, 19]
    at = QPointF(*view.transform.to_view(hip - (0, 12)))
    mouse(view, "hover", at)
    assert view_state.hovered_region == view.region_under(at)
    assert view_state.hovered_region[0] == 0


def test_a_reduced_picture_lies_where_the_whole_one_lay(view, view_state):
    whole, place = array_of(view.grab().toImage()), view.transform
    size = view.picture_size
    small = cv2.resize(picture(0), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    view.set_frame_image(0, small)
    assert view.picture_size == size
    assert view.transform == place
    assert np.abs(array_of(view.grab().toImage()).astype(int) - whole).mean() < 3


def test_frames_are_decoded_reduced_only_for_a_small_view(view):
    view.resize(160, 120)
    view.fit()
    assert view.reduction > 1
    assert view.transform.scale * view.reduction <= 1
    view.resize(2000, 1500)
    view.fit()
    assert view.reduction == 1


# -- people whom the clip is not about ----------------------------------------------------------


def with_others(state, keypoints, boxes):
    """The state with one row of others, the same in all frames."""
    rows = np.broadcast_to(keypoints, (1, FRAMES, 26, 2)).copy()
    seen = state.observations
    other = Observations(
        rows, np.where(np.isfinite(rows[..., 0]), 0.8, 0.0), seen.layout,
        np.broadcast_to(boxes, (1, FRAMES, 4)).astype(float), seen.times, seen.image_size,
    )  # fmt: skip
    return replace(state, observations=replace(seen, others=other))


def test_somebody_else_is_found_by_their_joints_and_their_bones(view, view_state):
    points = np.full((26, 2), np.nan)
    points[[5, 7, 9]] = [[20, 40], [20, 140], [90, 140]]  # shoulder, elbow, wrist
    view_state.set_state(with_others(view_state.state, points, [10, 30, 100, 150]))
    clicked, hit = heard(view.other_clicked), view.transform.to_view
    click(view, tuple(hit(np.array([20.0, 140.0]))))
    click(view, tuple(hit(np.array([20.0, 90.0]))))
    click(view, tuple(hit(np.array([60.0, 60.0]))))
    assert clicked == [(0,), (0,)]


def test_somebody_else_of_whom_only_a_box_is_known_is_found_by_it(view, view_state):
    nothing = np.full((26, 2), np.nan)
    view_state.set_state(with_others(view_state.state, nothing, [10, 30, 100, 150]))
    assert view.source_under(QPointF(*view.transform.to_view(np.array([50.0, 90.0])))) == (
        "other",
        0,
    )
    view.grab()


def test_a_joint_of_the_two_is_taken_before_somebody_else_who_stands_there(view, view_state):
    own = view_state.state.observations
    view_state.set_state(with_others(view_state.state, own.keypoints2d[0, 0], own.boxes[0, 0]))
    assert view.source_under(joint_at(view, 0)) == ("person", 0)


def test_the_view_shows_what_exporters_write(view_state):
    edits = Constraints(
        keypoint_edits=(KeypointEdit(0, 2, WRIST, 11.0, 22.0),),
        box_edits=(
            BoxEdit(2, (1.0, 2.0, 30.0, 40.0), "person", 1),
            BoxEdit(2, (5.0, 5.0, 9.0, 9.0), "not_a_person"),
        ),
        mask_edits=(MaskEdit(1, 2, RunLengthMask.encode(np.ones((SIZE[1], SIZE[0]), bool))),),
    )
    state = replace(view_state.state, constraints=edits)
    written = effective_observations(state)
    for person in (0, 1):
        shown = evidence.skeleton(state, person, 2)
        np.testing.assert_array_equal(shown.points, written.keypoints2d[person, 2])
        np.testing.assert_array_equal(evidence.box(state, person, 2), written.boxes[person, 2])
        assert evidence.mask(state, person, 2) == written.masks[person][2]


def test_the_bodies_of_a_frame_are_smoothed_once_it_stands_still(qtbot, view, view_state):
    """Without a graphics card smoothing takes as long as all the rest of a frame."""
    if not shared_renderer().is_software:
        pytest.skip("a graphics card smooths at once")
    view.set_frame_image(1, picture(1))
    passing = array_of(view.grab().toImage())
    qtbot.wait(2 * STILL_MS)
    still = array_of(view.grab().toImage())
    assert 0 < (still != passing).any(-1).mean() < 0.05, "edges only"
    assert (array_of(view.grab().toImage()) == still).all()


def test_a_frozen_frame_says_so(view, view_state):
    plain = array_of(view.grab().toImage())
    said = replace(view_state.state.constraints, frozen=(FrameRange(0, 3),))
    view_state.set_state(replace(view_state.state, constraints=said))
    frozen = array_of(view.grab().toImage())
    assert (frozen[:40, :240] != plain[:40, :240]).any()


def test_the_bodies_of_a_preview_are_not_smoothed(qtbot, view, view_state):
    if not shared_renderer().is_software:
        pytest.skip("a graphics card smooths at once")
    state = view_state.state
    whole = FrameRange(0, state.motion.frame_count)
    view.set_frame_image(1, picture(1))
    view_state.candidate = Candidate(state.motion, state.camera, whole, 1)
    passing = array_of(view.grab().toImage())
    qtbot.wait(2 * STILL_MS)
    assert (array_of(view.grab().toImage()) == passing).all()
    view_state.show_before = True
    qtbot.wait(2 * STILL_MS)
    saved = array_of(view.grab().toImage())
    changed = (saved != passing).any(-1)
    changed[:60] = False  # the badge that says which bodies are on show
    assert 0 < changed.mean() < 0.05, "what is saved is smoothed: edges only"
