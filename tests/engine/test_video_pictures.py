"""What a stored frame is shown as: colours, shape, brightness, one field of two."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from engine.errors import VideoError
from engine.video import VideoReader, probe
from engine.video_pictures import tone_mapped
from tests.engine.videos import number_in, numbered, write_video

PATCHES = np.array(
    [[200, 30, 30], [30, 200, 30], [30, 30, 200], [255, 255, 255], [0, 0, 0], [120, 120, 120]]
)
LUMA = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
TAGS = {"601": Colorspace.ITU601, "709": Colorspace.ITU709, "2020": Colorspace.BT2020}


def patches_as_yuv(matrix: str, full: bool) -> np.ndarray:
    """(6, 3) codes of 8-bit Y, Cb, Cr (ITU-T H.273)."""
    kr, kb = LUMA[matrix]
    rgb = PATCHES / 255
    y = rgb @ [kr, 1 - kr - kb, kb]
    cb, cr = (rgb[:, 2] - y) / (2 * (1 - kb)), (rgb[:, 0] - y) / (2 * (1 - kr))
    scaled = (255 * y, 255 * cb, 255 * cr) if full else (16 + 219 * y, 224 * cb, 224 * cr)
    return np.stack([scaled[0], scaled[1] + 128, scaled[2] + 128], axis=1)


def write_frame(
    path: Path, planes: np.ndarray, pix_fmt: str, *, codec: str = "ffv1", **tags: int
) -> Path:
    """One frame of (3, H, W) planes; `tags` are the colour properties that the file states."""
    frame = filled(planes, pix_fmt)
    frame.pts, frame.time_base = 0, Fraction(1, 30)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pix_fmt
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
            setattr(frame, name, value)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def filled(planes: np.ndarray, pix_fmt: str) -> av.VideoFrame:
    frame = av.VideoFrame(planes.shape[-1], planes.shape[-2], pix_fmt)
    for plane, values in zip(frame.planes, planes.reshape(-1, *planes.shape[-2:]), strict=True):
        rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
        rows[:, : values.shape[1]] = values
        plane.update(rows.tobytes())
    return frame


def patch_planes(codes: np.ndarray, width: int, height: int) -> np.ndarray:
    columns = np.repeat(codes.T[:, None], height, axis=1)
    return np.repeat(columns, width // len(codes), axis=2).round()


def shown_patches(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        image = reader.frame(0)
    width = image.shape[1] // len(PATCHES)
    return np.array([image[image.shape[0] // 2, width * i + width // 2] for i in range(6)])


class TestColours:
    @pytest.mark.parametrize("matrix", ["601", "709", "2020"])
    @pytest.mark.parametrize("full", [False, True])
    def test_matrix_and_range_are_those_that_the_file_states(self, tmp_path, matrix, full):
        planes = patch_planes(patches_as_yuv(matrix, full), 96, 32).astype(np.uint8)
        path = write_frame(
            tmp_path / "tagged.mkv",
            planes,
            "yuv444p",
            colorspace=TAGS[matrix],
            color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        )
        np.testing.assert_allclose(shown_patches(path), PATCHES, atol=3)

    @pytest.mark.parametrize(("size", "matrix"), [((96, 32), "601"), ((1296, 720), "709")])
    def test_a_file_that_states_nothing_has_the_colours_of_its_size(self, tmp_path, size, matrix):
        planes = patch_planes(patches_as_yuv(matrix, False), *size).astype(np.uint8)
        np.testing.assert_allclose(
            shown_patches(write_frame(tmp_path / "silent.mkv", planes, "yuv444p")), PATCHES, atol=3
        )

    def test_ten_bits_are_shown_as_eight(self, tmp_path):
        planes = (patch_planes(4 * patches_as_yuv("601", False), 96, 32)).astype(np.uint16)
        path = write_frame(tmp_path / "ten.mkv", planes, "yuv444p10le")
        np.testing.assert_allclose(shown_patches(path), PATCHES, atol=3)
        assert probe(path).note == ""

    def test_grey_is_grey(self, tmp_path):
        grey = np.repeat(np.arange(96, dtype=np.uint8)[None] * 2, 32, axis=0)
        frame = write_frame(tmp_path / "grey.mkv", grey, "gray")
        with VideoReader(frame) as reader:
            image = reader.frame(0)
        np.testing.assert_array_equal(image[..., 0], image[..., 2])
        np.testing.assert_allclose(image[10, :, 0], grey[10], atol=2)

    def test_what_is_see_through_is_shown(self, tmp_path):
        image = np.dstack([numbered(6), np.full((96, 160), 60, np.uint8)])
        path = tmp_path / "clear.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=30)
            stream.width, stream.height, stream.pix_fmt = 160, 96, "bgra"
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(image, "rgba").reformat(format="bgra"))
            )
            container.mux(stream.encode(None))
        with VideoReader(path) as reader:
            np.testing.assert_array_equal(reader.frame(0), image[..., :3])


def pq_codes(nits: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, the inverse of what a screen does."""
    y = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def linear(srgb: np.ndarray) -> np.ndarray:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


RGB2020_FROM_RGB709 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)


class TestHdr:
    def hdr(self, tmp_path: Path, trc: ColorTrc, codes: np.ndarray) -> Path:
        """Patches of 10-bit BT.2020 from (6, 3) RGB codes in 0..1."""
        kr, kb = LUMA["2020"]
        y = codes @ [kr, 1 - kr - kb, kb]
        cb, cr = (codes[:, 2] - y) / (2 * (1 - kb)), (codes[:, 0] - y) / (2 * (1 - kr))
        yuv = np.stack([64 + 876 * y, 512 + 896 * cb, 512 + 896 * cr], axis=1)
        return write_frame(
            tmp_path / "hdr.mkv",
            patch_planes(yuv, 96, 32).astype(np.uint16),
            "yuv444p10le",
            colorspace=Colorspace.BT2020,
            color_primaries=ColorPrimaries.BT2020,
            color_trc=trc,
            color_range=ColorRange.MPEG,
        )

    def test_colours_below_white_come_back(self, tmp_path):
        nits = 203 * linear(PATCHES * 0.8 / 255) @ RGB2020_FROM_RGB709.T
        path = self.hdr(tmp_path, ColorTrc.SMPTE2084, pq_codes(nits))
        np.testing.assert_allclose(shown_patches(path), PATCHES * 0.8, atol=6)
        assert probe(path).note == "It is HDR (PQ): its brightness is reduced to a screen's."

    def test_hlg_is_as_bright_as_its_white_sheet_asks(self, tmp_path):
        grey = np.array([0.0, 0.25, 0.38, 0.5, 0.75, 1.0])  # BT.2408: grey card 0.38, white 0.75
        path = self.hdr(tmp_path, ColorTrc.ARIB_STD_B67, np.repeat(grey[:, None], 3, axis=1))
        shown = shown_patches(path)[:, 1].astype(int)
        assert shown[0] == 0
        assert 90 <= shown[2] <= 130
        assert 230 <= shown[4] <= 250
        assert shown[5] > shown[4]
        assert (np.diff(shown) > 0).all()
        assert "HLG" in probe(path).note

    def test_highlights_are_told_apart_and_never_wrap(self):
        nits = np.array([203.0, 400, 1000, 4000, 10000])
        codes = np.repeat((pq_codes(nits) * 65535)[None, :, None], 3, axis=2).astype(np.uint16)
        shown = tone_mapped(codes, ColorTrc.SMPTE2084)[0, :, 0].astype(int)
        assert shown[0] > 235
        assert (np.diff(shown) >= 0).all()
        assert shown[1] > shown[0]
        assert shown[-1] == 255


class TestShape:
    @pytest.mark.parametrize(
        ("aspect", "size"),
        [
            (Fraction(64, 45), (228, 96)),
            (Fraction(8, 9), (160, 108)),
            (Fraction(1, 1), (160, 96)),
            (Fraction(1001, 1000), (160, 96)),
            (Fraction(100, 1), (160, 96)),
        ],
    )
    def test_pixels_become_square(self, tmp_path, aspect, size):
        path = write_video(tmp_path / "wide.mkv", [0, 1, 2], aspect=aspect)
        with VideoReader(path) as reader:
            assert reader.info.image_size == size
            assert reader.frame(1).shape[1::-1] == size
            assert number_in(reader.frame(1)) == 1
            assert bool(reader.info.note) == (size != (160, 96))

    def test_pixels_become_square_before_the_picture_is_turned(self, tmp_path):
        path = write_video(
            tmp_path / "phone.mp4", [0, 1], aspect=Fraction(2, 1), rotation=(90.0, False)
        )
        info = probe(path)
        assert info.image_size == (96, 320)
        assert info.note == "Its pixels are not square: it is shown at 96 x 320."

    def test_frames_larger_than_4k_are_read_smaller(self, tmp_path):
        path = write_video(
            tmp_path / "8k.mp4", [0], size=(7680, 4320), options={"preset": "ultrafast"}
        )
        with VideoReader(path) as reader:
            assert reader.info.image_size == (3840, 2160)
            assert reader.frame(0).shape == (2160, 3840, 3)
            assert reader.frame(0, reduction=8).shape == (270, 480, 3)
            assert reader.info.note == (
                "It is read at a half of its size (3840 x 2160), as larger frames take too long."
            )

    def test_4k_is_read_as_it_is(self, tmp_path):
        path = write_video(
            tmp_path / "4k.mp4", [0], size=(3840, 2160), options={"preset": "ultrafast"}
        )
        assert (probe(path).image_size, probe(path).note) == ((3840, 2160), "")

    def test_frames_that_would_take_gigabytes_are_refused(self, tmp_path, monkeypatch):
        path = write_video(tmp_path / "wall.mp4", [0])
        monkeypatch.setattr("engine.video_pictures.MOST_CODED_PIXELS", 100 * 100)
        with pytest.raises(VideoError, match="too large: 160 x 96"):
            probe(path)


def test_an_interlaced_frame_shows_one_field(tmp_path):
    """The two fields show different numbers; a mixture of both would show neither."""
    image = numbered(21)
    image[1::2] = numbered(42)[1::2]
    path = tmp_path / "tape.mpg"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "mpeg2video", rate=25, options={"flags": "+ildct+ilme", "b": "4000000"}
        )
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv422p"
        for index in range(4):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv422p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoReader(path) as reader:
        assert reader.info.note == "It is interlaced: of each frame one field is shown."
        assert reader.frame(2).shape == (96, 160, 3)
        assert number_in(reader.frame(2)) == 21
        assert reader.frame(2, reduction=2).shape == (48, 80, 3)
