"""Projects in a temporary folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from annotations import database
from annotations.store import Store
from engine.structures import FrameRange, VideoInfo
from tests.annotations.builders import make_fit, make_observations, make_video

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def _no_fsync() -> Iterator[None]:
    """Waiting for the disk is most of what an edit costs, and proves nothing here."""
    database.SYNCHRONOUS = "OFF"
    yield
    database.SYNCHRONOUS = "FULL"


@pytest.fixture
def video() -> VideoInfo:
    return make_video(150)


@pytest.fixture(scope="session")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty project, to be copied."""
    path = tmp_path_factory.mktemp("template") / "empty.dyad"
    Store.create(path, author="Ann").close()
    return path


@pytest.fixture(scope="session")
def fitted_project(tmp_path_factory: pytest.TempPathFactory, empty_project: Path) -> Path:
    """The file of a project with one clip, detected and fitted, to be copied."""
    path = tmp_path_factory.mktemp("template") / "fitted.dyad"
    shutil.copyfile(empty_project, path)
    with Store.open(path, author="Ann") as made:
        assert add_fitted(made, make_video(150)) == 1
    return path


@pytest.fixture
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """An open project; empty, unless the test asks for `clip_id` as well."""
    template = "fitted_project" if "clip_id" in request.fixturenames else "empty_project"
    path = tmp_path_factory.mktemp("project") / "project.dyad"
    shutil.copyfile(request.getfixturevalue(template), path)
    with Store.open(path, author="Ann") as made:
        yield made


@pytest.fixture
def clip_id(store: Store) -> int:
    """A clip that has been detected and fitted."""
    return store.clips()[0].id


def add_fitted(store: Store, video: VideoInfo, *, seed: int = 0) -> int:
    """Import, detect and fit a clip; its id."""
    clip = store.add_clip(video).clip_id
    assert clip is not None
    store.set_observations(clip, make_observations(video, seed=seed), {"detector": "test"})
    whole = FrameRange(0, video.frame_count)
    store.apply_fit(clip, make_fit(video, seed=seed), whole, store.head(clip).id)
    return clip
