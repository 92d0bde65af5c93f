"""The loop with the real models: a few frames of the bundled sample, detected and fitted."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app.projects import SAMPLE_VIDEO
from engine.structures import FrameRange

FRAMES = 6
WAIT = 120_000


@pytest.fixture
def few_frames(tmp_path: Path) -> Path:
    """Every sixth frame of the sample at half its size."""
    path = tmp_path / "few.mp4"
    with av.open(str(SAMPLE_VIDEO)) as source, av.open(str(path), "w") as target:
        picture = source.streams.video[0]
        stream = target.add_stream("libx264", rate=10)
        stream.width, stream.height = picture.width // 2, picture.height // 2
        stream.pix_fmt = "yuv420p"
        for index, frame in enumerate(source.decode(picture)):
            if index == 6 * FRAMES:
                break
            if index % 6 == 0:
                small = frame.reformat(stream.width, stream.height)
                small.pts, small.time_base = index // 6, Fraction(1, 10)
                target.mux(stream.encode(small))
        target.mux(stream.encode(None))
    return path


def test_two_people_are_found_fitted_and_fitted_again(qtbot, make_window, few_frames):
    window = make_window()
    view_state = window.view_state
    window.projects.open_dropped([few_frames])
    qtbot.waitUntil(
        lambda: view_state.state is not None and view_state.state.motion is not None, timeout=WAIT
    )
    assert window.notifications.texts == ()
    seen = np.isfinite(view_state.state.observations.boxes).all(axis=2)
    assert seen.mean() > 0.9
    first = view_state.state.motion
    assert first.valid.mean() > 0.9

    view_state.selection = FrameRange(2, 5)
    QTest.keyClick(window.frame_view, Qt.Key.Key_E)
    qtbot.waitUntil(
        lambda: view_state.candidate is not None and view_state.candidate.is_complete, timeout=WAIT
    )
    new = view_state.candidate.motion
    for frames in (slice(0, 2), slice(5, FRAMES)):
        np.testing.assert_allclose(new.transl[:, frames], first.transl[:, frames], atol=1e-6)
    QTest.keyClick(window.frame_view, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: view_state.candidate is None, timeout=WAIT)
    assert window.history._snapshot.head.kind == "fit"
    assert view_state.state.edited == ()
