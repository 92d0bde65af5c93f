"""The benchmark counts what was painted, and only that."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QWidget

from app import benchmark
from engine.video import VideoReader, probe
from tests.app.scenes import shown


def test_a_frame_counts_once_it_is_painted_and_again_only_after_another(qtbot):
    view = shown(qtbot, QWidget, 50, 50)
    current = [0]
    watch = benchmark.Watch("view", view, lambda: current[0])
    for frame in (1, 1, 2, 2, 2, 1):
        current[0] = frame
        view.repaint()
    row = watch.row()
    assert (row["view"], row["distinct_frames"]) == ("view", 2)
    assert row["fps"] > 0
    watch.restart()
    current[0] = 9  # never painted
    assert watch.row()["distinct_frames"] == 0


def test_the_scene_is_a_1080p_video_with_two_bodies_in_it(tmp_path):
    video = probe(benchmark.write_video(tmp_path / "desk.mp4", 4))
    assert video.image_size == (1920, 1080)
    with VideoReader(video) as reader:
        assert np.abs(reader.frame(0).astype(int) - reader.frame(3)).mean() > 1
    motion, camera = benchmark._motion(video), benchmark._camera(video.frame_count)
    seen = benchmark._observations(motion, camera, video)
    assert (seen.keypoints2d > 0).all()
    assert (seen.keypoints2d < (1920, 1080)).all()
