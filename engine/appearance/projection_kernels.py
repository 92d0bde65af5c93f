"""Warp functions of the rasteriser's kernels: a Gaussian onto the picture, and its gradient back.

The same as `engine.appearance.projection.project`, in the same words.
"""
# mypy: ignore-errors

from engine.appearance.projection import ALPHA_MIN, BLUR, EXTENT, MARGIN, NEAR
from engine.geometry.closest_kernel import wp  # Warp is started quietly there

__all__ = ["ACROSS", "DOWN", "Splat", "project", "project_backward", "wp"]

ACROSS = 4
DOWN = 2
"""Pixels of a block. Eight lanes: more than that are as slow as scalars where vectors are short."""

_NEAR = wp.constant(NEAR)
_BLUR = wp.constant(BLUR)
_EXTENT = wp.constant(EXTENT)
_MARGIN = wp.constant(MARGIN)
_ALPHA_MIN = wp.constant(ALPHA_MIN)


@wp.struct
class Splat:
    """A Gaussian on the picture, and what its gradient needs (names as in projection.project)."""

    mean: wp.vec2
    conic: wp.vec3  # xx, xy, yy
    low: wp.vec2i  # blocks
    high: wp.vec2i
    u: float
    v: float
    along_x: float
    along_y: float


@wp.func
def project(mean: wp.vec3, scale: float, opacity: float, camera: wp.vec4, size: wp.vec2i):
    """`camera` is fx, fy, cx, cy. No blocks (high is 0) for what is not drawn."""
    splat = Splat()
    z = mean[2]
    if z < _NEAR or opacity < _ALPHA_MIN:
        return splat
    width = float(size[0])
    height = float(size[1])
    x = mean[0] / z
    y = mean[1] / z
    splat.mean = wp.vec2(camera[0] * x + camera[2], camera[1] * y + camera[3])
    beyond_x = _MARGIN * 0.5 * width
    beyond_y = _MARGIN * 0.5 * height
    u = wp.clamp(x, (-camera[2] - beyond_x) / camera[0], (width - camera[2] + beyond_x) / camera[0])
    v = wp.clamp(
        y, (-camera[3] - beyond_y) / camera[1], (height - camera[3] + beyond_y) / camera[1]
    )
    p = camera[0] * scale / z
    q = camera[1] * scale / z
    xx = p * p * (1.0 + u * u) + _BLUR
    yy = q * q * (1.0 + v * v) + _BLUR
    xy = p * q * u * v
    determinant = p * p * q * q * (1.0 + u * u + v * v) + _BLUR * (xx + yy - _BLUR)
    splat.conic = wp.vec3(yy / determinant, -xy / determinant, xx / determinant)
    splat.u = u
    splat.v = v
    splat.along_x = p
    splat.along_y = q
    reach = wp.min(_EXTENT, wp.sqrt(2.0 * wp.log(opacity / _ALPHA_MIN)))
    # Clamped as numbers, before they are integers: a huge splat's edge fits none.
    wide = float(ACROSS)
    tall = float(DOWN)
    right = wp.ceil(width / wide)
    bottom = wp.ceil(height / tall)
    radius_x = wp.ceil(reach * wp.sqrt(xx))
    radius_y = wp.ceil(reach * wp.sqrt(yy))
    splat.low = wp.vec2i(
        int(wp.clamp(wp.floor((splat.mean[0] - radius_x) / wide), 0.0, right)),
        int(wp.clamp(wp.floor((splat.mean[1] - radius_y) / tall), 0.0, bottom)),
    )
    splat.high = wp.vec2i(
        int(wp.clamp(wp.ceil((splat.mean[0] + radius_x) / wide), 0.0, right)),
        int(wp.clamp(wp.ceil((splat.mean[1] + radius_y) / tall), 0.0, bottom)),
    )
    return splat


@wp.func
def project_backward(
    splat: Splat,
    mean: wp.vec3,
    scale: float,
    camera: wp.vec4,
    to_offset: wp.vec2,
    to_conic: wp.vec3,
):
    """Gradient to a mean's x, y, z and to its scale.

    `to_offset` is the sum over pixels of the gradient to sigma times the offset from the middle,
    `to_conic` the gradient to the conic's xx, xy and yy.
    """
    a = splat.conic[0]
    b = splat.conic[1]
    c = splat.conic[2]
    # The inverse of a matrix M has the gradient -M^-1 G M^-1.
    to_xx = -(a * a * to_conic[0] + a * b * to_conic[1] + b * b * to_conic[2])
    to_yy = -(b * b * to_conic[0] + b * c * to_conic[1] + c * c * to_conic[2])
    to_xy = -(2.0 * a * b * to_conic[0] + (a * c + b * b) * to_conic[1] + 2.0 * b * c * to_conic[2])
    p = splat.along_x
    q = splat.along_y
    u = splat.u
    v = splat.v
    to_p = 2.0 * p * (1.0 + u * u) * to_xx + q * u * v * to_xy
    to_q = 2.0 * q * (1.0 + v * v) * to_yy + p * u * v * to_xy
    to_u = 2.0 * p * p * u * to_xx + p * q * v * to_xy
    to_v = 2.0 * q * q * v * to_yy + p * q * u * to_xy
    z = mean[2]
    x = mean[0] / z
    y = mean[1] / z
    to_x = -(a * to_offset[0] + b * to_offset[1]) * camera[0]
    to_y = -(b * to_offset[0] + c * to_offset[1]) * camera[1]
    if x == u:
        to_x += to_u
    if y == v:
        to_y += to_v
    to_z = -(to_x * x + to_y * y + to_p * p + to_q * q) / z
    return wp.vec4(to_x / z, to_y / z, to_z, to_p * camera[0] / z + to_q * camera[1] / z)
