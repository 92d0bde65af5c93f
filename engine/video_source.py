"""Opening a file as a video, and saying in a sentence why that cannot be.

A file from outside is opened as one of the formats that hold their pictures themselves: never as a
playlist or a list of other files, whatever it says or is called.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error

from engine.errors import VideoError

FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,av1,obu,ivf,vc1,flv,asf,rm,mxf,nut,"
    "yuv4mpegpipe,dv,wtv,mjpeg,gif,apng,png_pipe,webp_pipe,ogg,mp3,wav,aac,flac,ac3,eac3,aiff,caf,"
    "amr,au"
)
"""FFmpeg's demuxers that read one file. Sound is among them, to be told that it is sound."""
_HEAD_BYTES = 4096
_KINDS = (
    (b"<!doctype html", "is a web page, not a video", "Download the video itself."),
    (b"<html", "is a web page, not a video", "Download the video itself."),
    (b"#extm3u", "is a list of videos, not a video", "Choose a video file."),
    (b"ffconcat", "is a list of videos, not a video", "Choose a video file."),
)
_CONVERT = "If it plays elsewhere, convert it to MP4 (H.264)."


def open_container(path: Path) -> Any:
    """PyAV's container of a video file. Raises VideoError, in one sentence, where it is none."""
    try:
        return av.open(
            f"file:{path}",
            metadata_errors="ignore",
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
        )
    except (FileNotFoundError, PermissionError) as error:
        raise VideoError(f"{shown_name(path)} cannot be read ({reason(error)})") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _refusal(path, error) from error


def shown_name(path: Path) -> str:
    """The file's name for a sentence: on one line, and printable, whatever the name holds."""
    return "".join(c if c.isprintable() else "\ufffd" for c in path.name)


def reason(error: BaseException) -> str:
    """FFmpeg's or the system's words for what went wrong."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")


def _refusal(path: Path, error: BaseException) -> VideoError:
    name, head = shown_name(path), _head(path)
    if not head:
        return VideoError(f"{name} is empty", advice="Copy it again.")
    if isinstance(error, av.error.EOFError):
        return VideoError(f"{name} ends before its first frame", advice="Copy it again.")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for mark, what, advice in _KINDS:
        if start.startswith(mark):
            return VideoError(f"{name} {what}", advice=advice)
    if head[4:8] == b"ftyp":
        return VideoError(
            f"{name} is cut short: the index of its frames, which MP4 keeps at the end, is missing",
            advice="Copy or record it again.",
        )
    if b"\0" not in head and _is_text(head):
        return VideoError(f"{name} is a text file, not a video", advice="Choose a video file.")
    return VideoError(
        f"{name} is not a video that can be opened ({reason(error)})", advice=_CONVERT
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b"?"


def _is_text(head: bytes) -> bool:
    try:
        head[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def ends_early(path: Path) -> bool:
    """Whether the file is shorter than its parts say they are.

    Told from the sizes of MP4's boxes (ISO/IEC 14496-12, 4.2), of Matroska's segment (RFC 9559,
    RFC 8794) and of AVI's RIFF chunk; other formats do not state their size.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            head = file.read(12)
            if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
                return _boxes_end(file, size) > size
            if head[:4] == b"\x1a\x45\xdf\xa3":
                return _segment_end(file) > size
            if head[:4] == b"RIFF":
                return 8 + int(struct.unpack("<I", head[4:8])[0]) > size
    except (OSError, struct.error):
        pass
    return False


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last box of an MP4 or QuickTime file says it ends."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length = int(struct.unpack(">I", header[:4])[0])
        if length == 1:
            length = int(struct.unpack(">Q", header[8:16])[0])
        if length < 8:  # 0: up to the end of the file; less is no box
            return size
        at += length
    return at


def _segment_end(file: BinaryIO) -> int:
    """Where the segment of a Matroska file says it ends; 0 where it does not say."""
    file.seek(4)
    header_size, _ = _ebml_number(file)
    file.seek(header_size, 1)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length, width = _ebml_number(file)
    return 0 if length == 2 ** (7 * width) - 1 else file.tell() + length


def _ebml_number(file: BinaryIO) -> tuple[int, int]:
    """A number of RFC 8794, and how many bytes it takes: as many as its first byte has zeros."""
    (first,) = struct.unpack("B", file.read(1))
    width = 9 - first.bit_length()
    value = first & (0xFF >> width) if width < 9 else 0
    for byte in file.read(width - 1):
        value = value << 8 | byte
    return value, width
