"""The 3D view: what is drawn, where the eye goes, what a click picks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from app import gl_view
from app.frame_bodies import project
from app.gl_renderer import GraphicsError, shared_renderer
from app.gl_view import STILL_MS
from app.mesh_picking import pick_projected, pick_ray
from app.mesh_view import MeshView, no_bodies_words
from app.orbit_camera import OrbitCamera, through
from app.posed_bodies import display_body, path_of_pair, posed_bodies
from app.view_state import Candidate
from engine.body.regions import region_names
from engine.structures import (
    Constraints,
    ContactLabel,
    Diagnostics,
    FitResult,
    FrameRange,
    Outcome,
)
from tests.app.scenes import (
    FRAMES,
    MIDDLE,
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

angles = st.floats(-3.0, 3.0)
cameras = st.builds(
    OrbitCamera,
    target=st.tuples(*[st.floats(-2, 2)] * 3),
    distance=st.floats(0.5, 10),
    azimuth=angles,
    elevation=st.floats(-1.5, 1.5),
    roll=angles,
    fov=st.floats(0.3, 1.6),
)
pixels = st.tuples(st.floats(0, 640), st.floats(0, 480))


@pytest.fixture
def view_state(qapp):
    return make_view_state()


@pytest.fixture
def view(qtbot, view_state):
    return shown(qtbot, lambda: MeshView(view_state))


def middle(view: MeshView, person: int) -> QPointF:
    """Where a person's belly is on the widget."""
    posed = posed_bodies(view._view_state).frame(view._view_state.motion_shown(), 0)
    x, y, _ = view.view_pixels(posed[person].vertices.mean(0)[None])[0]
    return QPointF(x, y)


# -- the eye ------------------------------------------------------------------------------------


@given(camera=cameras, pixel=pixels, depth=st.floats(0.1, 20))
def test_a_point_on_the_ray_through_a_pixel_is_seen_at_that_pixel(camera, pixel, depth):
    origin, direction = camera.ray(*pixel, 640, 480)
    seen = camera.pixels((origin + depth * direction)[None], 640, 480)[0]
    np.testing.assert_allclose(seen[:2], pixel, atol=1e-5)


@given(camera=cameras, point=st.tuples(*[st.floats(-3, 3)] * 3))
def test_opengl_draws_a_point_where_the_eye_sees_it(camera, point):
    clip = camera.projection(640 / 480) @ camera.view() @ np.array([*point, 1.0])
    seen = camera.pixels(np.array([point]), 640, 480)[0]
    if seen[2] < 0.05:
        return
    drawn = (clip[0] / clip[3] + 1) * 320, (1 - clip[1] / clip[3]) * 240
    np.testing.assert_allclose(drawn, seen[:2], rtol=1e-6, atol=1e-4)


@given(camera=cameras)
def test_the_target_is_in_the_middle_at_its_distance(camera):
    seen = camera.pixels(np.array([camera.target]), 640, 480)[0]
    np.testing.assert_allclose(seen, [320, 240, camera.distance], atol=1e-6)


@given(camera=cameras, right=st.floats(-200, 200), up=st.floats(-200, 200))
def test_panning_moves_the_target_with_the_mouse(camera, right, up):
    seen = camera.panned(right, up, 480).pixels(np.array([camera.target]), 640, 480)[0]
    np.testing.assert_allclose(seen[:2], [320 + right, 240 - up], atol=1e-5)


@given(
    camera=cameras,
    aspect=st.floats(0.5, 2.5),
    points=st.lists(st.tuples(*[st.floats(-1, 1)] * 3), min_size=2, max_size=8, unique=True),
)
def test_framing_brings_every_point_into_the_picture(camera, aspect, points):
    framed = camera.framing(np.array(points), aspect)
    seen = framed.pixels(np.array(points), round(400 * aspect), 400)
    assert (seen[:, 2] > 0).all()
    assert (seen[:, :2] >= -1).all()
    assert (seen[:, :2] <= [400 * aspect + 1, 401]).all()


@given(
    turn=st.tuples(st.floats(-3, 3), st.floats(-1.4, 1.4), st.floats(-3, 3)),
    place=st.tuples(*[st.floats(-3, 3)] * 3),
)
def test_the_video_s_camera_sees_the_same_picture_through_the_3d_view(turn, place):
    camera = make_camera()
    pose = OrbitCamera(place, 2.0, turn[0], turn[1], turn[2])
    T = np.eye(4)
    T[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ pose.rotation
    T[:3, 3] = -T[:3, :3] @ pose.eye
    camera = replace(camera, T_camera_world=T[None])
    points = np.asarray(pose.target) + np.array([[0.1, 0.2, 0.0], [-0.3, 0.1, 0.2], [0, 0, 0.0]])
    eye = through(camera, 0, 2.0, SIZE[0] / SIZE[1])
    expected = project(camera, 0, points)
    np.testing.assert_allclose(eye.pixels(points, *SIZE), expected, rtol=1e-6, atol=1e-4)


def test_dragging_turns_and_levels_the_view(view):
    view.camera = replace(view.camera, roll=0.3)
    before = view.camera
    drag(view, (300, 200), (330, 200), (360, 230))
    assert view.camera.azimuth < before.azimuth
    assert view.camera.elevation > before.elevation
    assert view.camera.roll == 0
    assert view.camera.target == before.target


def test_the_wheel_comes_nearer_and_goes_back(view):
    before = view.camera.distance
    wheel(view, (300, 200), 240)
    assert view.camera.distance < before
    wheel(view, (300, 200), -240)
    assert view.camera.distance == pytest.approx(before)


def test_the_middle_button_pans(view):
    before = view.camera
    drag(view, (300, 200), (310, 200), (350, 200), button=MIDDLE)
    seen = view.view_pixels(np.array([before.target]))[0]
    assert seen[0] > view.width() / 2 + 30
    assert view.camera.distance == before.distance


def test_from_the_top_the_eye_is_above(view):
    view.look_from("top")
    np.testing.assert_allclose(view.camera.rotation[2], [0, 1, 0], atol=1e-9)


def test_from_the_side_the_people_stand_behind_each_other(view):
    view.look_from("side")
    a, b = middle(view, 0), middle(view, 1)
    assert abs(a.x() - b.x()) < 5


def test_through_the_camera_the_bodies_are_where_the_video_has_them(view):
    view.look_from("camera")
    points = posed_bodies(view._view_state).frame(view._view_state.motion_shown(), 0)[1].vertices
    expected = project(make_camera(), 0, points)[:, :2]
    np.testing.assert_allclose(view.view_pixels(points)[:, :2], expected, atol=1e-3)


def walking(metres_per_frame: float):
    motion = make_motion()
    transl = motion.transl.copy()
    transl[..., 0] += metres_per_frame * np.arange(FRAMES)
    slowly = np.arange(FRAMES) / 2  # seconds: a walk, no flight
    return make_view_state(make_state(replace(motion, transl=transl, time=slowly)))


def test_the_eye_walks_with_people_who_walk(qtbot):
    state = walking(0.4)
    view = shown(qtbot, lambda: MeshView(state))
    for frame in (FRAMES // 2, FRAMES - 1, 0):
        state.frame = frame
        posed = posed_bodies(state).frame(state.motion_shown(), frame)
        seen = view.view_pixels(np.concatenate([body.vertices for body in posed]))
        assert (seen[:, :2] > 0).all()
        assert (seen[:, :2] < [view.width(), view.height()]).all()


def test_through_a_camera_that_moves_the_eye_moves_with_the_camera(qtbot):
    state = make_view_state()
    camera = make_camera()
    T = camera.T_camera_world.copy()
    T[:, 0, 3] += 0.1 * np.arange(FRAMES)
    state.set_state(replace(state.state, camera=replace(camera, T_camera_world=T)))
    view = shown(qtbot, lambda: MeshView(state))
    view.look_from("camera")
    points = np.array([[0.2, 1.3, 0.1], [-0.4, 0.9, 0.3]])
    for frame in (0, 7):
        state.frame = frame
        expected = project(state.state.camera, frame, points)[:, :2]
        np.testing.assert_allclose(view.view_pixels(points)[:, :2], expected, atol=1e-3)
    drag(view, (300, 200), (330, 200), (360, 200))
    turned = view.camera
    state.frame = 3
    assert view.camera.azimuth == turned.azimuth


def test_a_pair_that_nobody_has_fitted_has_a_place_all_the_same():
    motion = make_motion()
    nowhere = replace(motion, valid=np.zeros_like(motion.valid))
    np.testing.assert_array_equal(path_of_pair(nowhere), np.zeros((FRAMES, 3)))
    half = motion.valid.copy()
    half[:, 3:] = False
    gone = replace(motion, valid=half)
    np.testing.assert_allclose(path_of_pair(gone), path_of_pair(motion), atol=1e-12)


# -- picking ------------------------------------------------------------------------------------


def test_a_click_finds_the_triangle_that_is_first_on_the_ray(view_state):
    bodies = posed_bodies(view_state).frame(view_state.motion_shown(), 0)
    faces = display_body("open-body").faces
    meshes = [(body.vertices, faces) for body in bodies]
    rng = np.random.default_rng(3)
    camera = OrbitCamera(target=(0, 1.0, 0), distance=3.0, azimuth=0.4)
    hits = 0
    for x, y in rng.uniform((150, 60), (490, 420), (40, 2)):
        origin, direction = camera.ray(x, y, 640, 480)
        found = pick_ray(origin, direction, meshes)
        expected = every_triangle(origin, direction, meshes)
        assert (found is None) == (expected is None)
        if found is not None:
            hits += 1
            assert (found.mesh, found.face) == expected[1:]
            assert found.depth == pytest.approx(expected[0], abs=1e-5)
    assert hits > 10


def every_triangle(origin, direction, meshes):
    """Plain reference: solve for the barycentric coordinates of every triangle."""
    best = None
    for mesh, (vertices, faces) in enumerate(meshes):
        corners = vertices[faces].astype(float)
        matrix = np.stack(
            [
                corners[:, 1] - corners[:, 0],
                corners[:, 2] - corners[:, 0],
                np.broadcast_to(-direction, (len(faces), 3)),
            ],
            2,
        )
        flat = np.abs(np.linalg.det(matrix)) < 1e-16
        matrix[flat] = np.eye(3)
        solved = np.linalg.solve(matrix, (origin - corners[:, 0])[..., None])[..., 0]
        u, v, t = solved.T
        inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & ~flat
        for face in np.flatnonzero(inside):
            if best is None or t[face] < best[0]:
                best = (t[face], mesh, int(face))
    return best


def test_picking_in_the_picture_and_along_the_ray_agree(view_state):
    camera, faces = make_camera(), display_body("open-body").faces
    bodies = posed_bodies(view_state).frame(view_state.motion_shown(), 0)
    flat = [(project(camera, 0, body.vertices), faces) for body in bodies]
    solid = [(body.vertices, faces) for body in bodies]
    eye = through(camera, 0, 4.0, SIZE[0] / SIZE[1])
    rng = np.random.default_rng(5)
    hits = 0
    for x, y in rng.uniform((200, 130), (440, 380), (60, 2)):
        in_picture = pick_projected(x, y, flat)
        on_ray = pick_ray(*eye.ray(x, y, *SIZE), solid)
        assert (in_picture is None) == (on_ray is None)
        if in_picture is not None:
            hits += 1
            assert (in_picture.mesh, in_picture.face) == (on_ray.mesh, on_ray.face)
    assert hits > 10


@pytest.mark.parametrize("person", [0, 1])
def test_a_click_on_a_body_in_the_contact_tool_names_person_and_region(view, view_state, person):
    view_state.tool = "contact"
    regions, bodies = heard(view.region_clicked), heard(view.body_clicked)
    view.look_from("camera")
    click(view, middle(view, person))
    (found,) = regions
    assert found[0] == person
    assert any(word in found[1] for word in ("belly", "waist", "chest", "groin", "hip", "ribs"))
    assert bodies == []


def test_a_click_in_another_tool_names_the_person(view):
    regions, bodies = heard(view.region_clicked), heard(view.body_clicked)
    view.look_from("camera")
    click(view, middle(view, 1))
    assert (regions, bodies) == ([], [(1,)])


def test_a_drag_is_no_click_and_nothing_is_picked_beside_the_bodies(view, view_state):
    view_state.tool = "contact"
    regions = heard(view.region_clicked)
    view.look_from("camera")
    drag(view, middle(view, 0), (500, 300))
    click(view, (3.0, 3.0))
    assert regions == []


def test_the_person_in_front_is_picked(qtbot):
    state = make_view_state(make_state(make_motion(apart=0.0, behind=0.6)))
    view = shown(qtbot, lambda: MeshView(state))
    view.look_from("camera")
    assert view.region_under(middle(view, 0))[0] == 0
    view.camera = view.camera.turned_to(np.pi, 0.0)
    assert view.region_under(middle(view, 1))[0] == 1


def test_hovering_in_the_contact_tool_announces_the_region_and_leaving_forgets_it(view, view_state):
    view.look_from("camera")
    mouse(view, "hover", middle(view, 0))
    assert view_state.hovered_region is None
    view_state.tool = "contact"
    mouse(view, "hover", middle(view, 0))
    assert view_state.hovered_region == view.region_under(middle(view, 0))
    view_state.tool = "select"
    assert view_state.hovered_region is None


# -- what is drawn ------------------------------------------------------------------------------


def hue_at(view: MeshView, at: QPointF) -> int:
    return view.grab().toImage().pixelColor(at.toPoint()).hsvHue()


def shows(view: MeshView, at: QPointF, color: str) -> bool:
    """Whether a point of the widget has a colour's hue, and is no grey of the background."""
    found, wanted = view.grab().toImage().pixelColor(at.toPoint()), QColor(color)
    return abs(found.hsvHue() - wanted.hsvHue()) < 12 and found.hsvSaturationF() > 0.4


def test_each_body_is_drawn_in_its_person_s_colour(view, view_state):
    view.look_from("camera")
    for person, someone in enumerate(view_state.state.identities):
        assert shows(view, middle(view, person), someone.color)


def test_moving_to_another_frame_moves_the_bodies(qtbot):
    motion = make_motion()
    transl = motion.transl.copy()
    transl[:, 5:, 0] += 0.8
    state = make_view_state(make_state(replace(motion, transl=transl)))
    view = shown(qtbot, lambda: MeshView(state))
    view.look_from("camera")
    at = middle(view, 1)
    color = state.state.identities[1].color
    assert shows(view, at, color)
    state.frame = 5
    assert not shows(view, at, color)


def test_a_labelled_contact_tints_its_regions_in_its_frames_only(qtbot, view, view_state):
    view.look_from("camera")
    at = middle(view, 0)
    person, region = view.region_under(at)
    label = ContactLabel(person, region, 1, "left_palm", FrameRange(0, 4))
    view_state.set_state(replace(view_state.state, constraints=Constraints(contacts=(label,))))
    tinted = hue_at(view, at)
    view_state.frame = 6
    plain = hue_at(view, at)
    assert shows(view, at, view_state.state.identities[0].color)
    assert abs(tinted - 45) < 20 < abs(plain - 45)  # yellow, as the contact's bar on the timeline


def test_see_through_lets_the_ground_through(view):
    view.look_from("camera")
    solid = view.grab().toImage().pixelColor(middle(view, 0).toPoint()).hsvSaturationF()
    view.toggle_see_through()
    glass = view.grab().toImage().pixelColor(middle(view, 0).toPoint()).hsvSaturationF()
    assert view.see_through
    assert glass < solid - 0.1


def test_bodies_throw_a_shadow_on_the_floor_below_them_and_nowhere_else(view):
    view.look_from("top")
    view._people.setVisible(False)
    middle_of_pair = view._where_pair_is() * (1, 0, 1)
    points = view.view_pixels(middle_of_pair + np.array([(0.05, 0, 0.05), (1.0, 0, 1.0)]))
    below, aside = (QPointF(*point[:2]) for point in points)

    def alpha(at: QPointF) -> int:
        view._draw(smooth=False)
        view._fetch()
        return view._image.pixelColor(at.toPoint()).alpha()

    shaded = alpha(below), alpha(aside)
    view._shadow.setVisible(False)
    lit = alpha(below), alpha(aside)
    assert shaded[0] > lit[0] + 20
    assert shaded[1] == lit[1]


def test_the_bodies_before_a_fit_are_drawn_as_ghosts(view, view_state):
    view.look_from("camera")
    without = view.grab().toImage()
    moved = replace(make_motion(), transl=make_motion().transl + np.array([0, 0.4, 0]))
    diagnostics = Diagnostics(np.full((2, FRAMES), 4.0), np.zeros(FRAMES))
    result = FitResult(moved, make_camera(), diagnostics, Outcome.CONVERGED)
    view_state.candidate = Candidate(moved, make_camera(), FrameRange(0, FRAMES), 1, result)
    with_ghosts = view.grab().toImage()
    assert with_ghosts != without
    assert any(mesh.vertices is not None for mesh in view._ghosts.meshes)
    view_state.candidate = None
    assert not any(view._ghosts._shown)


def test_a_preview_that_comes_while_playing_waits_for_the_next_frame(view, view_state):
    """Drawing it between two frames would cost one of them."""
    moved = replace(make_motion(), transl=make_motion().transl + np.array([0, 0.4, 0]))
    before = view._posed
    view_state.playing = True
    view_state.candidate = Candidate(moved, make_camera(), FrameRange(0, FRAMES), 1)
    assert view._posed is before
    view_state.frame += 1
    lifted = view._posed[0].vertices[:, 1].mean() - before[0].vertices[:, 1].mean()
    assert lifted == pytest.approx(0.4, abs=0.1)
    view_state.playing = False
    view_state.candidate = None
    assert view._posed[0].vertices[:, 1].mean() < before[0].vertices[:, 1].mean() + 0.1


def test_a_preview_is_drawn_ahead_painted_a_little_later_and_not_smoothed(qtbot, view, view_state):
    """The event loop does not wait for OpenGL, which has the next preview to draw in a moment."""
    qtbot.wait(2 * STILL_MS)
    before = view._image
    moved = replace(make_motion(), transl=make_motion().transl + np.array([0, 0.4, 0]))
    view_state.candidate = Candidate(moved, make_camera(), FrameRange(0, FRAMES), 1)
    assert view._begun is not None
    QApplication.processEvents()
    assert view._image is before, "painted in the turn in which it came"
    qtbot.waitUntil(lambda: view._image is not before, timeout=2000)
    qtbot.wait(2 * STILL_MS)
    assert view._is_smooth == (not shared_renderer().is_software)
    view_state.candidate = None
    qtbot.waitUntil(lambda: view._is_smooth, timeout=2000)


def test_a_view_without_bodies_says_what_comes_first():
    view_state = make_view_state(replace(make_state(), motion=None, camera=None))
    assert "Shift+E" in no_bodies_words(view_state)
    view_state.set_state(view_state.state, is_unsaved=True)
    assert "being detected" in no_bodies_words(view_state)
    view_state.set_state(replace(view_state.state, observations=None))
    assert "detected first" in no_bodies_words(view_state)
    view_state.clip_id = None
    assert no_bodies_words(view_state) == ""


def test_a_person_without_a_pose_in_a_frame_is_not_drawn(qtbot):
    motion = make_motion()
    valid = motion.valid.copy()
    valid[1, 3] = False
    state = make_view_state(make_state(replace(motion, valid=valid)))
    view = shown(qtbot, lambda: MeshView(state))
    view.look_from("camera")
    at, color = middle(view, 1), state.state.identities[1].color
    assert shows(view, at, color)
    state.frame = 3
    assert view.region_under(at) is None
    assert not shows(view, at, color)


def test_without_bodies_nothing_is_picked_and_the_view_lives(qtbot, view, view_state):
    view_state.set_state(replace(view_state.state, motion=None, camera=None))
    assert view.region_under(QPointF(320, 240)) is None
    view.frame_bodies()
    view.look_from("camera")
    view.grab()
    assert view.failure == ""


def test_without_opengl_the_view_says_so(qtbot, view_state, monkeypatch):
    def missing():
        raise GraphicsError("The 3D view needs OpenGL 2.1, which is missing", advice="Install it.")

    monkeypatch.setattr(gl_view, "shared_renderer", missing)
    view = shown(qtbot, lambda: MeshView(view_state))
    view.grab()
    assert view.failure == "The 3D view needs OpenGL 2.1, which is missing. Install it."


def test_region_names_under_the_mouse_are_the_engine_s(view):
    view.look_from("camera")
    assert view.region_under(middle(view, 0))[1] in region_names()
