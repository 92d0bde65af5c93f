"""Warp kernels of the renderer: triangles into a depth buffer, and the look of each pixel.

They run on the CPU, one thread after another, so that writes to the buffers never race and a
picture is the same each time. Warp reads the annotations as its own types, so a type checker
cannot follow them.
"""
# mypy: ignore-errors
# ruff: noqa: UP018  a variable that a loop changes is declared by its type

import warp as wp

from engine.geometry.closest_kernel import wp as _started  # Warp is started quietly there

__all__ = ["MATERIAL_COLORS", "STYLE_NUMBERS", "occlusion", "rasterize", "shade", "wp"]
assert _started is wp

MATERIAL_COLORS = 8
"""Colours a person: skin, shirt, shirt's second, trousers, trousers' second, shoes, hair, lips."""
STYLE_NUMBERS = 8
"""Numbers a person: shirt pattern, its scale, trouser pattern, its scale, wrinkles, hair strands,
logo half width, noise seed."""


@wp.func
def _edge(a: wp.vec3, b: wp.vec3, x: float, y: float):
    return (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])


@wp.kernel
def rasterize(
    screen: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=wp.int32),
    cull: float,
    near: float,
    depth: wp.array2d(dtype=float),
    face: wp.array2d(dtype=wp.int32),
):
    """One triangle: pixels x, y and depth (metres) of its corners; the nearest face wins.

    Pixel (column i, row j) is sampled at (i + 0.5, j + 0.5). `cull` is -1 to draw what is
    clockwise on the screen (y down) only, +1 the other, 0 both. Depth is interpolated as 1 / z.
    """
    t = wp.tid()
    a = screen[faces[t, 0]]
    b = screen[faces[t, 1]]
    c = screen[faces[t, 2]]
    if a[2] < near or b[2] < near or c[2] < near:
        return
    area = _edge(a, b, c[0], c[1])
    if area * cull < 0.0 or wp.abs(area) < 1.0e-9:
        return
    height = depth.shape[0]
    width = depth.shape[1]
    low_x = wp.max(int(wp.floor(wp.min(a[0], wp.min(b[0], c[0])) - 0.5)), 0)
    high_x = wp.min(int(wp.ceil(wp.max(a[0], wp.max(b[0], c[0])))) + 1, width)
    low_y = wp.max(int(wp.floor(wp.min(a[1], wp.min(b[1], c[1])) - 0.5)), 0)
    high_y = wp.min(int(wp.ceil(wp.max(a[1], wp.max(b[1], c[1])))) + 1, height)
    for row in range(low_y, high_y):
        y = float(row) + 0.5
        for column in range(low_x, high_x):
            x = float(column) + 0.5
            u = _edge(b, c, x, y) / area
            v = _edge(c, a, x, y) / area
            w = 1.0 - u - v
            if u >= 0.0 and v >= 0.0 and w >= 0.0:
                z = 1.0 / (u / a[2] + v / b[2] + w / c[2])
                if z < depth[row, column]:
                    depth[row, column] = z
                    face[row, column] = t


@wp.kernel
def occlusion(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    reach: float,
    open_share: wp.array(dtype=float),
):
    """Cosine-weighted share of the directions in a point's hemisphere that no face blocks."""
    i = wp.tid()
    total = float(0.0)
    free = float(0.0)
    start = points[i] + normals[i] * 0.004
    for k in range(directions.shape[0]):
        weight = wp.dot(directions[k], normals[i])
        if weight > 0.0:
            total += weight
            hit = wp.mesh_query_ray(mesh, start, directions[k], reach)
            if hit.result:
                # What is far away blocks little: light comes round it.
                free += weight * hit.t / reach
            else:
                free += weight
    open_share[i] = free / wp.max(total, 1.0e-6)


@wp.func
def _noise(seed: wp.uint32, p: wp.vec3):
    return wp.noise(seed, p)


@wp.func
def _pattern(kind: int, scale: float, p: wp.vec3, seed: wp.uint32):
    """Share of the second colour at a place of the rest pose (metres)."""
    tau = 6.2831853
    if kind == 1:  # horizontal stripes (along the arm on a sleeve)
        along = p[1]
        if wp.abs(p[0]) > 0.2 and p[1] > 0.05:
            along = p[0]
        return wp.smoothstep(-0.25, 0.25, wp.sin(tau * along / scale))
    if kind == 2:  # vertical stripes
        return wp.smoothstep(-0.2, 0.2, wp.sin(tau * p[0] / scale) - 0.4)
    if kind == 3:  # checks
        across = wp.smoothstep(-0.2, 0.2, wp.sin(tau * p[0] / scale))
        return 0.5 * across + 0.5 * wp.smoothstep(-0.2, 0.2, wp.sin(tau * p[1] / scale))
    if kind == 4:  # blotches
        return wp.smoothstep(0.0, 0.08, _noise(seed, p * (2.5 / scale)))
    if kind == 5:  # a band across the chest
        return wp.smoothstep(0.0, 0.004, 0.5 * scale - wp.abs(p[1] - 0.1))
    return 0.0


@wp.func
def _skin(p: wp.vec3, skin: wp.vec3, hair: wp.vec3, lips: wp.vec3, seed: wp.uint32):
    """Skin with eyes, brows, lips and a little redness, placed by the rest pose's landmarks."""
    color = skin * (1.0 + 0.05 * _noise(seed, p * 45.0))
    x = wp.abs(p[0])
    if p[2] > 0.08 and p[1] > 0.27 and x < 0.08:
        cheek = wp.length(wp.vec2(x - 0.042, p[1] - 0.345)) / 0.025
        color = wp.lerp(color, wp.cw_mul(color, wp.vec3(1.05, 0.86, 0.84)), wp.exp(-cheek * cheek))
        eye = wp.length(wp.vec2((x - 0.029) / 0.0145, (p[1] - 0.387) / 0.0065))
        iris = wp.length(wp.vec2(x - 0.029, p[1] - 0.387)) / 0.0058
        socket = wp.length(wp.vec2((x - 0.029) / 0.024, (p[1] - 0.390) / 0.016))
        color = color * (1.0 - 0.22 * wp.exp(-socket * socket))
        if eye < 1.0:
            color = wp.vec3(0.72, 0.70, 0.68)
            if iris < 1.0:
                color = wp.vec3(0.05, 0.035, 0.03)
        elif eye < 1.25:
            color = color * 0.35
        arch = 0.4085 - 6.0 * (x - 0.032) * (x - 0.032)
        if x > 0.010 and x < 0.052 and wp.abs(p[1] - arch) < 0.0038:
            color = wp.lerp(color, hair * 0.8, 0.85)
        mouth = wp.length(wp.vec2(x / 0.026, (p[1] - 0.3175) / 0.0085))
        if mouth < 1.0:
            color = lips
            if wp.abs(p[1] - 0.3175) < 0.0016:
                color = lips * 0.45
    return color


@wp.func
def _lit(light: wp.vec3, shadow_map: wp.array2d(dtype=float), bias: float):
    """Share of 5 x 5 shadow-map texels around a point that see the light."""
    column = int(wp.floor(light[0]))
    row = int(wp.floor(light[1]))
    if column < 2 or row < 2 or column >= shadow_map.shape[1] - 2:
        return 1.0
    if row >= shadow_map.shape[0] - 2:
        return 1.0
    seen = float(0.0)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            if shadow_map[row + dy, column + dx] > light[2] - bias:
                seen += 1.0
    return seen / 25.0


@wp.kernel
def shade(
    face: wp.array2d(dtype=wp.int32),
    faces: wp.array2d(dtype=wp.int32),
    screen: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    rest: wp.array(dtype=wp.vec3),
    clothes: wp.array(dtype=wp.vec4),
    openness: wp.array(dtype=float),
    light: wp.array(dtype=wp.vec3),
    person: wp.array(dtype=wp.int32),
    colors: wp.array2d(dtype=wp.vec3),
    style: wp.array2d(dtype=float),
    shadow_map: wp.array2d(dtype=float),
    to_sun: wp.vec3,
    to_eye: wp.vec3,
    sun: wp.vec3,
    sky: wp.vec3,
    ground: wp.vec3,
    image: wp.array2d(dtype=wp.vec3),
):
    """Linear light of each pixel that shows a body: sun with shadow, sky, floor, a highlight.
    Other pixels are left as they are.

    `clothes` are signed distances (metres, positive inside) to shirt, trousers, shoes and hair.
    """
    row, column = wp.tid()
    t = face[row, column]
    if t < 0:
        return
    i = faces[t, 0]
    j = faces[t, 1]
    k = faces[t, 2]
    a = screen[i]
    b = screen[j]
    c = screen[k]
    area = _edge(a, b, c[0], c[1])
    x = float(column) + 0.5
    y = float(row) + 0.5
    u = _edge(b, c, x, y) / area / a[2]
    v = _edge(c, a, x, y) / area / b[2]
    w = _edge(a, b, x, y) / area / c[2]
    total = u + v + w
    u = u / total
    v = v / total
    w = w / total
    p = rest[i] * u + rest[j] * v + rest[k] * w
    cloth = clothes[i] * u + clothes[j] * v + clothes[k] * w
    n = wp.normalize(normals[i] * u + normals[j] * v + normals[k] * w)
    free = openness[i] * u + openness[j] * v + openness[k] * w
    who = person[i]
    seed = wp.rand_init(int(style[who, 7]))
    strand = float(0.0)
    if cloth[3] > -0.01:
        strand = _noise(seed, wp.vec3(p[0] * 160.0, p[1] * 30.0, p[2] * 160.0))
    shine = float(0.03)
    albedo = wp.vec3(0.0, 0.0, 0.0)
    bump = float(0.0)
    if cloth[3] + 0.006 * strand > 0.0:
        albedo = colors[who, 6] * (1.0 + 0.45 * strand)
        bump = 0.25
        shine = style[who, 5]
    elif cloth[2] > 0.0:
        albedo = colors[who, 5]
        if p[1] < -1.188:
            albedo = wp.vec3(0.35, 0.35, 0.34)
        shine = 0.08
    elif cloth[0] > 0.0:
        second = _pattern(int(style[who, 0]), style[who, 1], p, seed)
        if style[who, 6] > 0.0 and p[2] > 0.02:
            half = style[who, 6]
            if wp.abs(p[0]) < half and wp.abs(p[1] - 0.10) < 0.6 * half:
                second = wp.smoothstep(-0.1, 0.1, _noise(seed, p * 40.0))
        albedo = wp.lerp(colors[who, 1], colors[who, 2], second)
        if cloth[0] < 0.012:
            albedo = albedo * 0.8
        bump = style[who, 4]
        shine = 0.0
    elif cloth[1] > 0.0:
        second = _pattern(int(style[who, 2]), style[who, 3], p, seed)
        albedo = wp.lerp(colors[who, 3], colors[who, 4], second)
        if p[1] > -0.14 and cloth[1] < 0.035:
            albedo = wp.vec3(0.03, 0.025, 0.02)
        bump = style[who, 4]
        shine = 0.0
    else:
        albedo = _skin(p, colors[who, 0], colors[who, 6], colors[who, 7], seed)
    if bump > 0.0:
        q = p * 14.0
        fold = wp.vec3(
            _noise(seed, q), _noise(seed, q + wp.vec3(31.7, 0.0, 0.0)), _noise(seed, q * 2.3)
        )
        n = wp.normalize(n + bump * fold)
        albedo = albedo * (1.0 + 0.18 * _noise(seed, p * 9.0) + 0.06 * _noise(seed, p * 180.0))
    lamp = light[i] * u + light[j] * v + light[k] * w
    facing = wp.dot(n, to_sun)
    direct = wp.max(facing, 0.0) * _lit(lamp, shadow_map, 0.02)
    up = 0.5 + 0.5 * n[1]
    around = (sky * up + ground * (1.0 - up)) * (free * (0.35 + 0.65 * free))
    half_way = wp.normalize(to_sun + to_eye)
    highlight = shine * wp.pow(wp.max(wp.dot(n, half_way), 0.0), 24.0) * wp.sign(direct)
    rim = wp.pow(1.0 - wp.max(wp.dot(n, to_eye), 0.0), 3.0) * 0.12 * free
    image[row, column] = wp.cw_mul(albedo, sun * direct + around) + (
        sun * highlight + wp.cw_mul(sky, albedo) * rim
    )
