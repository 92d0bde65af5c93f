"""OpenGL without a GL widget: both views draw their bodies off screen and paint the picture.

A `QOpenGLWidget` makes Qt compose the whole window through OpenGL whenever anything in it changes.
Without a graphics card that alone costs 10 ms for a 1600 x 900 window, for every blink of a cursor.
Drawing off screen and reading back costs about 1 ms, leaves the window to Qt's own painter, and
lets the two views share one context, one set of shaders and one set of buffers.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager

# PyOpenGL picks EGL under Wayland while Qt's xcb platform speaks GLX: they must agree.
if os.environ.get("QT_QPA_PLATFORM", "xcb").startswith("xcb"):
    os.environ.setdefault("PYOPENGL_PLATFORM", "x11")

import numpy as np
from OpenGL import GL
from PySide6.QtGui import (
    QImage,
    QOffscreenSurface,
    QOpenGLContext,
    QSurfaceFormat,
)
from PySide6.QtOpenGL import (
    QOpenGLFramebufferObject,
    QOpenGLFramebufferObjectFormat,
)

from engine.errors import EngineError

UPSIDE_DOWN = np.diag([1.0, -1.0, 1.0, 1.0])
"""To the left of a projection: the picture's first row comes first. It also turns the winding of
triangles round, so front faces are clockwise."""
SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swrast", "swr", "software")


class GraphicsError(EngineError):
    """OpenGL 2.1 is not to be had here; the advice says what to install."""


def surface_format() -> QSurfaceFormat:
    """OpenGL 2.1 (GLSL 1.20), which every driver and Mesa's software renderer offer."""
    surface = QSurfaceFormat()
    surface.setVersion(2, 1)
    surface.setDepthBufferSize(24)
    surface.setSwapInterval(0)
    return surface


class GLRenderer:
    """An OpenGL context with frame buffers of its own; pictures come out as `QImage`."""

    def __init__(self) -> None:
        advice = "Install a graphics driver, or Mesa: `apt install libgl1 libgl1-mesa-dri`."
        self._surface = QOffscreenSurface()
        self._surface.setFormat(surface_format())
        self._surface.create()
        self.context = QOpenGLContext()
        self.context.setFormat(surface_format())
        if not (self._surface.isValid() and self.context.create()):
            raise GraphicsError("The 3D view needs OpenGL 2.1, which is missing", advice=advice)
        if not self.context.makeCurrent(self._surface):
            raise GraphicsError("The OpenGL context cannot be used", advice=advice)
        self.name = GL.glGetString(GL.GL_RENDERER).decode(errors="replace")
        self.resources: dict[str, object] = {}
        """Programs and the like that live as long as the context, by name."""
        self._targets: dict[tuple[object, int], QOpenGLFramebufferObject] = {}
        self._is_closed = False

    @property
    def is_software(self) -> bool:
        """True where the processor draws: multisampling then costs eight times the picture."""
        return any(name in self.name.lower() for name in SOFTWARE_RENDERERS)

    def make_current(self) -> None:
        if QOpenGLContext.currentContext() is not self.context:
            self.context.makeCurrent(self._surface)

    @contextmanager
    def target(
        self, owner: object, size: tuple[int, int], samples: int = 0
    ) -> Iterator[QOpenGLFramebufferObject]:
        """Draw into a frame buffer of (width, height) device pixels that belongs to `owner`."""
        self.make_current()
        buffer = self._targets.get((owner, samples))
        if buffer is None or (buffer.width(), buffer.height()) != size:
            self._targets.pop((owner, samples), None)
            settings = QOpenGLFramebufferObjectFormat()
            settings.setAttachment(QOpenGLFramebufferObject.Attachment.Depth)
            settings.setSamples(samples)
            buffer = QOpenGLFramebufferObject(*size, settings)
            self._targets[(owner, samples)] = buffer
        buffer.bind()
        GL.glViewport(0, 0, *size)
        try:
            yield buffer
        finally:
            buffer.release()

    def read(
        self,
        owner: object,
        buffer: QOpenGLFramebufferObject,
        area: tuple[int, int, int, int] | None = None,
    ) -> QImage:
        """The picture, or its area (x, y, width, height), as premultiplied ARGB.

        The buffer's first row comes first. OpenGL's first row is the lowest, so callers draw
        upside down (`UPSIDE_DOWN @` their projection) instead of turning millions of pixels over.
        """
        if buffer.format().samples() > 0:
            size = (buffer.width(), buffer.height())
            with self.target(owner, size) as plain:
                QOpenGLFramebufferObject.blitFramebuffer(plain, buffer)
                return self.read(owner, plain, area)
        x, y, width, height = area or (0, 0, buffer.width(), buffer.height())
        buffer.bind()
        pixels = np.empty((height, width, 4), np.uint8)
        GL.glReadPixels(x, y, width, height, GL.GL_BGRA, GL.GL_UNSIGNED_BYTE, array=pixels)
        image = QImage(
            pixels.data, width, height, width * 4, QImage.Format.Format_ARGB32_Premultiplied
        )
        image.pixels = pixels  # type: ignore[attr-defined]  # it borrows the array's memory
        return image

    def forget(self, owner: object) -> None:
        """Free the frame buffers of a view that closes."""
        if self._is_closed:
            return
        self.make_current()
        for key in [key for key in self._targets if key[0] == owner]:
            del self._targets[key]

    def close(self) -> None:
        self.make_current()
        self._targets.clear()
        self.resources.clear()
        self.context.doneCurrent()
        self._is_closed = True


_shared: GLRenderer | None = None


def shared_renderer() -> GLRenderer:
    """The window's one renderer, made at first use (GUI thread only).

    Raises GraphicsError where there is no OpenGL.
    """
    global _shared
    if _shared is None:
        _shared = GLRenderer()
        # Before Qt goes: a context that outlives its application takes the process down with it.
        atexit.register(_close_shared)
    return _shared


def _close_shared() -> None:
    global _shared
    if _shared is not None:
        _shared.close()
        _shared = None
