"""Warp kernels of the rasteriser: pictures of splats on the CPU, and the gradients back.

One thread draws a whole picture: splat after splat, nearest first, each onto the blocks of pixels
that it reaches. On one core that beats lists per tile: there is nothing to list or to merge, each
splat's gradients are summed in registers, and the order of all sums is fixed. The eight pixels of
a block are the lanes of one vector; what a lane must not take part in is multiplied away, since
vectors know no branches.

The backward pass draws again, front to back, so it meets the same transmittances, bit for bit. It
knows what all splats together give to a pixel, and so what those behind the present one give.

Warp reads the annotations as its own types, so a type checker cannot follow them.
"""
# mypy: ignore-errors

from functools import cache

from engine.appearance.projection import ALPHA_MAX, ALPHA_MIN, TRANSMITTANCE_MIN
from engine.appearance.projection_kernels import ACROSS, DOWN, project, project_backward, wp

__all__ = ["ACROSS", "DOWN", "Block", "kernels", "offsets", "wp"]

# Loops over the lanes must stay loops until they become vector instructions; unrolled, they end as
# scalar code that takes twice as long. Instructions of the machine's own gained nothing on top.
_OPTIONS = {"enable_backward": False, "cpu_compiler_flags": "-fno-unroll-loops"}

Block = wp.types.vector(length=ACROSS * DOWN, dtype=wp.float32)

_UNSEEN = wp.constant(ALPHA_MIN - 4e-10)
"""The next number below, so that what is above it is not less than ALPHA_MIN."""
_ALPHA_MAX = wp.constant(ALPHA_MAX)
_LEAST = wp.constant(TRANSMITTANCE_MIN)
_SIGMA_MAX = wp.constant(5.6)
"""Alpha is below ALPHA_MIN from here on at any opacity."""
_STEEP = wp.constant(1.0e20)


def offsets():
    """Middles of a block's pixels from its corner, x and y."""
    lanes = range(ACROSS * DOWN)
    return Block(*(i % ACROSS + 0.5 for i in lanes)), Block(*(i // ACROSS + 0.5 for i in lanes))


@wp.func
def _above(x: Block, limit: float):
    """1 in the lanes that are above a limit, else 0."""
    return wp.max(wp.min((x - Block(limit)) * _STEEP, Block(1.0)), Block(0.0))


@wp.func
def _falloff(sigma: Block):
    """exp(-sigma) for 0 <= sigma <= 5.6 to 5e-7: a series to the power of 8, without a branch."""
    t = sigma * (-0.125) + Block(0.35)
    total = t * (1.0 / 5040.0) + Block(1.0 / 720.0)
    total = wp.cw_mul(total, t) + Block(1.0 / 120.0)
    total = wp.cw_mul(total, t) + Block(1.0 / 24.0)
    total = wp.cw_mul(total, t) + Block(1.0 / 6.0)
    total = wp.cw_mul(total, t) + Block(0.5)
    total = wp.cw_mul(total, t) + Block(1.0)
    total = wp.cw_mul(total, t) + Block(1.0)
    total = wp.cw_mul(total, total)
    total = wp.cw_mul(total, total)
    total = wp.cw_mul(total, total)
    return total * 0.06081006262521797  # exp(-2.8)


@wp.func
def _peak(dx: Block, half_xx: float, slope: Block, sigma_y: Block, opacity: float):
    """Opacity times the Gaussian at offsets from its middle (pixels): sigma is a quadratic in x."""
    sigma = wp.cw_mul(dx, dx * half_xx + slope) + sigma_y
    return _falloff(wp.max(wp.min(sigma, Block(_SIGMA_MAX)), Block(0.0))) * opacity


@wp.func
def _drawn(peak: Block, light: Block, open: Block):
    """The lanes in which a splat is drawn, and those that stay open behind it.

    `light` is the transmittance so far, `open` the lanes that no splat has ended yet.
    """
    alpha = wp.min(peak, Block(_ALPHA_MAX))
    seen = wp.cw_mul(_above(alpha, _UNSEEN), open)
    left = wp.cw_mul(light, Block(1.0) - wp.cw_mul(alpha, seen))
    goes_on = _above(left, _LEAST)
    return wp.cw_mul(seen, goes_on), wp.cw_mul(open, goes_on)


@cache
def kernels(channels: int):
    """The forward and the backward kernel for pictures of so many channels.

    Their number is a constant of the code that is compiled, once for each and then kept on disk:
    loops over it cost a quarter more time where it is not.
    """
    CHANNELS = wp.constant(channels)

    @wp.kernel(module="unique", module_options=_OPTIONS)
    def blend(
        first: int,
        order: wp.array2d(dtype=wp.int64),
        means: wp.array2d(dtype=wp.vec3),
        scales: wp.array2d(dtype=float),
        opacities: wp.array(dtype=float),
        colors: wp.array2d(dtype=float),
        cameras: wp.array(dtype=wp.vec4),
        size: wp.vec2i,
        x: Block,
        y: Block,
        light: wp.array3d(dtype=Block),
        open: wp.array3d(dtype=Block),
        picture: wp.array4d(dtype=Block),
        seen: wp.array2d(dtype=float),
    ):
        """One picture, from picture `first` on; all arrays begin with the picture.

        `order` names the Gaussians, nearest first. `light` and `open` begin as ones and end as the
        transmittance and as the pixels that no splat ended; `picture` (rows and columns of blocks,
        channels) begins as zeros; `seen` tells which Gaussians are in the picture.
        """
        b = first + wp.tid()
        for i in range(order.shape[1]):
            n = int(order[b, i])
            splat = project(means[b, n], scales[b, n], opacities[n], cameras[b], size)
            opacity = opacities[n]
            half_xx = 0.5 * splat.conic[0]
            half_yy = 0.5 * splat.conic[2]
            total = Block(0.0)
            for row in range(splat.low[1], splat.high[1]):
                dy = y + Block(float(row * DOWN) - splat.mean[1])
                slope = dy * splat.conic[1]
                sigma_y = wp.cw_mul(dy, dy) * half_yy
                for column in range(splat.low[0], splat.high[0]):
                    dx = x + Block(float(column * ACROSS) - splat.mean[0])
                    peak = _peak(dx, half_xx, slope, sigma_y, opacity)
                    before = light[b, row, column]
                    drawn, still = _drawn(peak, before, open[b, row, column])
                    alpha = wp.cw_mul(wp.min(peak, Block(_ALPHA_MAX)), drawn)
                    weight = wp.cw_mul(alpha, before)
                    light[b, row, column] = wp.cw_mul(before, Block(1.0) - alpha)
                    open[b, row, column] = still
                    total += weight
                    for c in range(CHANNELS):
                        sum = picture[b, row, column, c] + weight * colors[n, c]
                        picture[b, row, column, c] = sum
            seen[b, n] = wp.dot(total, Block(1.0))

    @wp.kernel(module="unique", module_options=_OPTIONS)
    def blend_backward(
        first: int,
        order: wp.array2d(dtype=wp.int64),
        means: wp.array2d(dtype=wp.vec3),
        scales: wp.array2d(dtype=float),
        opacities: wp.array(dtype=float),
        colors: wp.array2d(dtype=float),
        cameras: wp.array(dtype=wp.vec4),
        size: wp.vec2i,
        x: Block,
        y: Block,
        seen: wp.array2d(dtype=float),
        pull: wp.array4d(dtype=Block),
        light: wp.array3d(dtype=Block),
        open: wp.array3d(dtype=Block),
        rest: wp.array3d(dtype=Block),
        tint: wp.array2d(dtype=Block),
        to_means: wp.array2d(dtype=wp.vec3),
        to_scales: wp.array2d(dtype=float),
        to_opacities: wp.array2d(dtype=float),
        to_colors: wp.array3d(dtype=float),
    ):
        """Gradients of one picture to its Gaussians; those of what is not `seen` stay as they are.

        `pull` is the gradient to the picture. `light` and `open` begin as ones again; `rest`
        begins as what the whole picture is worth in each pixel, picture times pull less
        transmittance times the gradient to alpha, and loses what each splat gives. `tint` is room
        for sums over the pixels of a splat.
        """
        b = first + wp.tid()
        for i in range(order.shape[1]):
            n = int(order[b, i])
            if seen[b, n] > 0.0:
                opacity = opacities[n]
                splat = project(means[b, n], scales[b, n], opacity, cameras[b], size)
                half_xx = 0.5 * splat.conic[0]
                half_yy = 0.5 * splat.conic[2]
                s = Block(0.0)
                sx = Block(0.0)
                sy = Block(0.0)
                sxx = Block(0.0)
                sxy = Block(0.0)
                syy = Block(0.0)
                for c in range(CHANNELS):
                    tint[b, c] = Block(0.0)
                for row in range(splat.low[1], splat.high[1]):
                    dy = y + Block(float(row * DOWN) - splat.mean[1])
                    slope = dy * splat.conic[1]
                    sigma_y = wp.cw_mul(dy, dy) * half_yy
                    for column in range(splat.low[0], splat.high[0]):
                        dx = x + Block(float(column * ACROSS) - splat.mean[0])
                        peak = _peak(dx, half_xx, slope, sigma_y, opacity)
                        before = light[b, row, column]
                        drawn, still = _drawn(peak, before, open[b, row, column])
                        alpha = wp.cw_mul(wp.min(peak, Block(_ALPHA_MAX)), drawn)
                        weight = wp.cw_mul(alpha, before)
                        through = Block(1.0) - alpha
                        light[b, row, column] = wp.cw_mul(before, through)
                        open[b, row, column] = still
                        worth = Block(0.0)
                        for c in range(CHANNELS):
                            wanted = pull[b, row, column, c]
                            worth += wanted * colors[n, c]
                            tint[b, c] = tint[b, c] + wp.cw_mul(weight, wanted)
                        behind = rest[b, row, column] - wp.cw_mul(weight, worth)
                        rest[b, row, column] = behind
                        to_alpha = wp.cw_mul(before, worth) - wp.cw_div(behind, through)
                        free = wp.cw_mul(drawn, Block(1.0) - _above(peak, _ALPHA_MAX))
                        to_sigma = wp.cw_mul(wp.cw_mul(peak, free), to_alpha)
                        to_sigma_x = wp.cw_mul(to_sigma, dx)
                        to_sigma_y = wp.cw_mul(to_sigma, dy)
                        s -= to_sigma
                        sx -= to_sigma_x
                        sy -= to_sigma_y
                        sxx -= wp.cw_mul(to_sigma_x, dx)
                        sxy -= wp.cw_mul(to_sigma_x, dy)
                        syy -= wp.cw_mul(to_sigma_y, dy)
                one = Block(1.0)
                for c in range(CHANNELS):
                    to_colors[b, n, c] = wp.dot(tint[b, c], one)
                to_opacities[b, n] = -wp.dot(s, one) / opacity
                to_mean2d = wp.vec2(wp.dot(sx, one), wp.dot(sy, one))
                to_conic = wp.vec3(0.5 * wp.dot(sxx, one), wp.dot(sxy, one), 0.5 * wp.dot(syy, one))
                back = project_backward(
                    splat, means[b, n], scales[b, n], cameras[b], to_mean2d, to_conic
                )
                to_means[b, n] = wp.vec3(back[0], back[1], back[2])
                to_scales[b, n] = back[3]

    return blend, blend_backward
