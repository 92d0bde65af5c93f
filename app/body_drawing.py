"""Shaded bodies in OpenGL 2.1, for both views: one shader, buffers of our own.

Light is computed in eye space (x right, y up, z towards the viewer): a key light over the viewer's
left shoulder, sky and ground light along the world's up, a soft highlight and a rim, so that two
bodies in contact stay apart for the eye. Colours come out with premultiplied alpha.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8, UInt32
from OpenGL import GL
from OpenGL.GL import shaders

from app.gl_renderer import GLRenderer

_VERTEX = """#version 120
attribute vec3 a_position;
attribute vec3 a_normal;
attribute vec4 a_tint;
uniform mat4 u_clip_from_model;
uniform mat3 u_eye_from_model;
varying vec3 v_normal;
varying vec4 v_tint;
void main() {
    v_normal = u_eye_from_model * a_normal;
    v_tint = a_tint;
    gl_Position = u_clip_from_model * vec4(a_position, 1.0);
}
"""
_FRAGMENT = """#version 120
uniform vec3 u_color;
uniform float u_opacity;
uniform float u_edge_only;
uniform vec3 u_up;
varying vec3 v_normal;
varying vec4 v_tint;
const vec3 KEY = vec3(-0.38, 0.54, 0.75);
const vec3 HALF = vec3(-0.203, 0.289, 0.936);
void main() {
    vec3 n = normalize(v_normal);
    vec3 base = mix(u_color, v_tint.rgb, v_tint.a);
    float key = max(dot(n, KEY), 0.0);
    float sky = 0.5 + 0.5 * dot(n, u_up);
    float facing = clamp(n.z, 0.0, 1.0);
    float rim = (1.0 - facing) * (1.0 - facing);
    float shine = max(dot(n, HALF), 0.0);
    shine *= shine; shine *= shine; shine *= shine; shine *= shine;
    vec3 lit = base * (mix(0.30, 0.62, sky) + 0.55 * key) * (1.0 - 0.35 * rim * rim);
    lit += vec3(0.10 * shine + 0.16 * rim * sky);
    float alpha = u_opacity * mix(1.0, 0.16 + 0.84 * (1.0 - facing), u_edge_only);
    gl_FragColor = vec4(lit * alpha, alpha);
}
"""
_UNIFORMS = (
    "u_clip_from_model", "u_eye_from_model", "u_color", "u_opacity", "u_edge_only", "u_up",
)  # fmt: skip
_ATTRIBUTES = ("a_position", "a_normal", "a_tint")


@dataclass(frozen=True)
class Light:
    """How a mesh is seen: matrices as NumPy (row-major, column vectors)."""

    clip_from_model: Float[np.ndarray, "4 4"]
    eye_from_model: Float[np.ndarray, "3 3"]
    """Rotates the model's normals into eye space."""
    up: tuple[float, float, float] = (0.0, 1.0, 0.0)
    """The world's up in eye space."""


@dataclass(frozen=True)
class Look:
    """How a body is painted."""

    color: tuple[float, float, float]
    """RGB in 0..1."""
    opacity: float = 1.0
    edge_only: float = 0.0
    """0: solid. 1: only where the surface turns away, as glass; for see-through and ghosts."""


def rgb(color: str) -> tuple[float, float, float]:
    """#rrggbb as three numbers in 0..1."""
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


class BodyShader:
    """The compiled program. One per renderer."""

    def __init__(self) -> None:
        self.program = shaders.compileProgram(
            shaders.compileShader(_VERTEX, GL.GL_VERTEX_SHADER),
            shaders.compileShader(_FRAGMENT, GL.GL_FRAGMENT_SHADER),
            validate=False,
        )
        for location, name in enumerate(_ATTRIBUTES):
            GL.glBindAttribLocation(self.program, location, name)
        GL.glLinkProgram(self.program)
        self.uniforms = {name: GL.glGetUniformLocation(self.program, name) for name in _UNIFORMS}

    def use(self, light: Light, look: Look) -> None:
        GL.glUseProgram(self.program)
        uniform = self.uniforms
        clip = np.ascontiguousarray(light.clip_from_model, np.float32)
        GL.glUniformMatrix4fv(uniform["u_clip_from_model"], 1, True, clip)
        eye = np.ascontiguousarray(light.eye_from_model, np.float32)
        GL.glUniformMatrix3fv(uniform["u_eye_from_model"], 1, True, eye)
        GL.glUniform3f(uniform["u_up"], *light.up)
        GL.glUniform3f(uniform["u_color"], *look.color)
        GL.glUniform1f(uniform["u_opacity"], look.opacity)
        GL.glUniform1f(uniform["u_edge_only"], look.edge_only)


def body_shader(renderer: GLRenderer) -> BodyShader:
    """The renderer's program, compiled at first use (context current)."""
    made = renderer.resources.get("body shader")
    if not isinstance(made, BodyShader):
        made = renderer.resources["body shader"] = BodyShader()
    return made


@dataclass
class BodyMesh:
    """One body's buffers on the graphics side. Uploads what changed, when it is drawn."""

    faces: UInt32[np.ndarray, "T 3"]
    vertices: Float[np.ndarray, "V 3"] | None = None
    _normals: Float[np.ndarray, "V 3"] | None = None
    _tint: UInt8[np.ndarray, "V 4"] | None = None
    _stale: set[str] = field(default_factory=set)
    _buffers: dict[str, int] = field(default_factory=dict)

    def set_shape(
        self, vertices: Float[np.ndarray, "V 3"], normals: Float[np.ndarray, "V 3"]
    ) -> None:
        self.vertices = np.ascontiguousarray(vertices, np.float32)
        self._normals = np.ascontiguousarray(normals, np.float32)
        self._stale |= {"a_position", "a_normal"}

    def set_tint(self, tint: UInt8[np.ndarray, "V 4"] | None) -> None:
        """RGB and strength per vertex, over the body's colour; None for none."""
        if tint is None and self._tint is None:
            return
        self._tint = None if tint is None else np.ascontiguousarray(tint, np.uint8)
        self._stale.add("a_tint")

    def draw(self, shader: BodyShader, light: Light, look: Look) -> None:
        """Draw with the current frame buffer and depth settings; the context must be current."""
        if self.vertices is None:
            return
        self._upload()
        shader.use(light, look)
        for location, name in enumerate(_ATTRIBUTES):
            if name == "a_tint" and self._tint is None:
                GL.glVertexAttrib4f(location, 0.0, 0.0, 0.0, 0.0)
                continue
            GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._buffers[name])
            kind = (4, GL.GL_UNSIGNED_BYTE, True) if name == "a_tint" else (3, GL.GL_FLOAT, False)
            GL.glVertexAttribPointer(location, *kind, 0, None)
            GL.glEnableVertexAttribArray(location)
        GL.glBindBuffer(GL.GL_ELEMENT_ARRAY_BUFFER, self._buffers["faces"])
        GL.glDrawElements(GL.GL_TRIANGLES, self.faces.size, GL.GL_UNSIGNED_INT, None)
        for location in range(len(_ATTRIBUTES)):
            GL.glDisableVertexAttribArray(location)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, 0)
        GL.glBindBuffer(GL.GL_ELEMENT_ARRAY_BUFFER, 0)
        GL.glUseProgram(0)

    def _upload(self) -> None:
        if "faces" not in self._buffers:
            self._write("faces", np.ascontiguousarray(self.faces, np.uint32))
        arrays = {"a_position": self.vertices, "a_normal": self._normals, "a_tint": self._tint}
        for name in self._stale:
            values = arrays[name]
            if values is not None:
                self._write(name, values)
        self._stale.clear()

    def _write(self, name: str, values: np.ndarray) -> None:
        target = GL.GL_ELEMENT_ARRAY_BUFFER if name == "faces" else GL.GL_ARRAY_BUFFER
        if name not in self._buffers:
            self._buffers[name] = int(GL.glGenBuffers(1))
        GL.glBindBuffer(target, self._buffers[name])
        GL.glBufferData(target, values.nbytes, values, GL.GL_DYNAMIC_DRAW)
        GL.glBindBuffer(target, 0)

    def free(self) -> None:
        """Give the buffers back (context current)."""
        if self._buffers:
            names = np.array(list(self._buffers.values()), np.uint32)
            GL.glDeleteBuffers(len(names), names)
            self._buffers.clear()
