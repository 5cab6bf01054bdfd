"""Portraits as silhouettes: a face with waves of hair, overlapping faces, or a head that contains a landscape."""

from collections.abc import Iterator

import numpy as np

from phaseline_server.pictures.painting.canvas import Canvas, looked_up, smooth
from phaseline_server.pictures.painting.color import Color, Field, mix, ramp
from phaseline_server.pictures.painting.families import botanical, city, crowd, landscape, plants, sea, space
from phaseline_server.pictures.painting.families.profile import HeadShape, Pose, head, masked
from phaseline_server.pictures.painting.noise import blurred, fbm
from phaseline_server.pictures.painting.scene import Layer, Plan, Scene, each
from phaseline_server.pictures.painting.sketch import Points, Sheet

__all__ = ["plan"]


def plan(scene: Scene) -> Plan:
    """Plan one of the three compositions."""
    random = scene.random("figures")
    keywords = {
        "dream": ("dream", "memory", "double", "mind", "thought", "imagin*", "soul", "nostalg*", "wonder"),
        "crowd": ("crowd", "people", "famil*", "couple", "friend", "dialog*", "love", "many", "pair"),
        "portrait": ("portrait", "face", "woman", "man", "queen", "king", "girl", "boy", "calm"),
    }
    fitting = [kind for kind, words in keywords.items() if scene.mentions(*words)] or list(keywords)
    kind = str(random.choice(fitting))
    layers: Plan = [Layer(100, lambda canvas: _ground(canvas, scene, halo=kind != "crowd"))]
    looks = int(random.choice([-1, 1]))
    middle = 0.5 * scene.aspect
    if kind == "crowd":
        return layers + crowd.plan(scene)
    size = float(random.uniform(0.60, 0.68)) * min(1.0, scene.aspect * 1.1)
    pose = Pose(middle + looks * 0.06, 0.97 - size * 1.42 + 0.06, size, looks)
    own = head(random)
    if kind == "dream":
        return layers + _plan_dream(scene, pose, own)
    layers.append(Layer(330, lambda canvas: _face(canvas, scene, pose, own)))
    layers += each(range(3), 200, lambda canvas, part: _hair(canvas, scene, pose, own, part))
    layers.append(Layer(150, lambda canvas: _flowers(canvas, scene, pose)))
    return layers


def _ground(canvas: Canvas, scene: Scene, *, halo: bool) -> Iterator[float]:
    """Paint the background with a disc behind the head."""
    random = scene.random("figure ground")
    palette, light = scene.palette, scene.light
    high = 0.30 + 0.60 * light.horizon
    one = mix(palette.tone(palette.cool, high - 0.06, 1.2), palette.paper(), 0.2 * light.horizon)
    two = palette.tone(palette.warm, high, 1.2)
    cloud = fbm(random, canvas.shape, 1.6, 5, gain=0.55)
    yield 0.4
    table = ramp([(0, mix(one, palette.dark(palette.cool, 0.2), 0.12)), (0.5, one), (1, two)])
    canvas.fill(looked_up(table, canvas.y * np.float32(0.85) + cloud * np.float32(0.10)))
    if halo:
        x, y = float(random.uniform(0.42, 0.58)) * scene.aspect, float(random.uniform(0.36, 0.44))
        radius = float(random.uniform(0.28, 0.34)) * scene.scale
        distance = np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(y))
        disc = mix(palette.vivid(palette.accent_index, 0.70), palette.lamp(0.5), float(random.uniform(0.05, 0.4)))
        canvas.light(
            palette.lamp(0.6),
            np.exp(-np.maximum(distance - np.float32(radius), 0) / np.float32(0.15)) * np.float32(0.22),
        )
        canvas.cover(
            disc,
            smooth(radius + canvas.pixel, radius - canvas.pixel, distance)
            * (np.float32(0.86) + cloud * np.float32(0.06)),
        )
        for ring in range(1, 4):
            line = np.abs(distance - np.float32(radius * (1 + 0.09 * ring)))
            canvas.cover(disc, smooth(0.0016, 0.0006, line) * np.float32(0.6 - 0.13 * ring))


def _face(canvas: Canvas, scene: Scene, pose: Pose, own: HeadShape) -> Iterator[float]:
    """Paint the skin in two tones of light, the features with a few lines, and a plain dress."""
    palette = scene.palette
    mask = masked(canvas, pose.place(own.whole))
    yield 0.12
    skin = mix(palette.tone(palette.warm, 0.76, 0.9), palette.lamp(0.6), 0.2)
    shade = mix(palette.tone(palette.warm, 0.46, 1.3), palette.tone(palette.cool, 0.4), 0.35)
    # The light comes from the front of the face; a wide blur of the silhouette gives round forms.
    reach = 0.07 * pose.size / canvas.pixel
    round_form = blurred(mask, reach)
    yield 0.3
    slope = np.gradient(round_form, axis=1) * np.float32(-pose.looks * reach * 2.4)
    tone = np.clip(np.float32(0.52) + slope + (round_form - np.float32(0.8)) * np.float32(0.25), 0, 1)
    table = ramp(
        [
            (0, mix(shade, palette.dark(palette.deep, 0.2), 0.3)),
            (0.45, mix(shade, skin, 0.55)),
            (0.75, skin),
            (1, mix(skin, palette.lamp(0.4), 0.55)),
        ]
    )
    canvas.cover(looked_up(table, tone), mask)
    yield 0.5
    cheek = pose.place(np.array([[0.125, 0.56]]))[0]
    square = (canvas.x - np.float32(cheek[0])) ** 2 + (canvas.y - np.float32(cheek[1])) ** 2
    blush = np.exp(-square / np.float32((0.085 * pose.size) ** 2))
    canvas.cover(palette.vivid(palette.warm, 0.62), mask * blush * np.float32(0.38))
    yield 0.65
    throat = np.array([(-0.28, 0.60), (-0.30, 1.0), (0.03, 1.0), (0.10, 0.86)])
    neck = masked(canvas, pose.place(np.concatenate([own.jaw, throat])))
    canvas.cover(
        mix(shade, palette.dark(palette.deep, 0.25), 0.35),
        blurred(neck, 0.016 * pose.size / canvas.pixel) * mask * np.float32(0.55),
    )
    yield 0.8
    _features(canvas, scene, pose, own, shade)
    _dress(canvas, scene, pose, own, mask)


def _features(canvas: Canvas, scene: Scene, pose: Pose, own: HeadShape, shade: Color) -> None:
    """Draw a closed eye, a brow, lips and the hint of a nostril."""
    palette = scene.palette
    sheet = Sheet(canvas)
    line = mix(shade, palette.dark(palette.deep, 0.15), 0.75)
    sheet.polygon(pose.place(own.lips), mix(palette.accent(0.5), palette.vivid(palette.warm, 0.45), 0.5))
    for stroke, width in ((own.lid, 0.011), (own.brow, 0.015)):
        sheet.line(pose.place(stroke), width * pose.size, line)
    for lash in range(5):
        root = own.lid[len(own.lid) // 2 + lash * 3 - 2]
        tip = root + np.array([0.022 + 0.004 * lash, 0.018 - 0.002 * lash])
        sheet.line(pose.place(np.stack([root, tip])), 0.006 * pose.size, line)
    nostril = np.array([(0.288, 0.562), (0.268, 0.556), (0.256, 0.566)])
    sheet.line(pose.place(nostril), 0.006 * pose.size, mix(shade, line, 0.4))
    sheet.lay(0.9)


def _dress(canvas: Canvas, scene: Scene, pose: Pose, own: HeadShape, mask: Field) -> None:
    random = scene.random("dress")
    palette = scene.palette
    neckline = np.float32(pose.y + 1.16 * pose.size)
    curve = ((canvas.x - np.float32(pose.x)) / np.float32(pose.size)) ** 2 * np.float32(0.3 * pose.size)
    below = canvas.y - neckline + curve * np.float32(0.4) - np.float32(0.02)
    cloth = smooth(-canvas.pixel, canvas.pixel, below) * mask
    folds = fbm(random, canvas.shape, 6, 4, stretch=0.4)
    base = palette.ink(0)
    table = ramp([(0, mix(base, palette.dark(0, 0.15), 0.6)), (0.5, base), (1, mix(base, palette.lamp(0.4), 0.4))])
    canvas.cover(looked_up(table, folds * np.float32(0.16) + np.float32(0.42)), cloth)
    canvas.cover(palette.accent(0.72), smooth(0.006, 0.004, np.abs(below - np.float32(0.012))) * cloth)
    del own


def _hair(canvas: Canvas, scene: Scene, pose: Pose, own: HeadShape, part: int) -> None:
    """Paint hair as strands between crown and hairline, then as long waves behind the head."""
    random = scene.random(f"hair {part}")
    palette = scene.palette
    dark, lit = palette.dark(palette.deep, 0.19), palette.tone(palette.deep, 0.42, 1.3)
    shine = mix(palette.tone(palette.accent_index, 0.6, 1.2), palette.lamp(0.5), 0.2)
    sheet = Sheet(canvas)
    lift = own.crown + (own.crown - [-0.08, 0.42]) * 0.075
    t = np.linspace(0, 1, 48)
    outer = np.stack([np.interp(t, np.linspace(0, 1, len(lift)), lift[:, i]) for i in range(2)], axis=1)
    inner = np.stack([np.interp(t, np.linspace(0, 1, len(own.hairline)), own.hairline[:, i]) for i in range(2)], axis=1)
    if part == 0:
        for index in range(14):
            sheet.polygon(
                pose.place(_wave(random, scene, outer, inner, index / 14, 0.16)),
                mix(dark, lit, float(random.uniform(0, 0.35))),
            )
        sheet.polygon(pose.place(np.concatenate([outer, inner[::-1]])), dark)
    elif part == 1:
        for _ in range(150):
            share = float(random.beta(1.1, 1.1))
            strand = outer + (inner - outer) * share + random.normal(0, 0.004, 2)
            tone = mix(mix(dark, lit, float(random.random())), shine, float(random.random()) ** 4 * 0.8)
            sheet.line(
                pose.place(strand[int(random.integers(0, 6)) : int(random.integers(36, 48))]),
                float(random.uniform(0.003, 0.009)) * pose.size,
                tone,
            )
    else:
        for index in range(24):
            tone = mix(mix(dark, lit, float(random.random())), shine, float(random.random()) ** 3)
            sheet.polygon(pose.place(_wave(random, scene, outer, inner, index / 24, 0.022)), tone)
    sheet.lay()


def _wave(
    random: np.random.Generator, scene: Scene, outer: Points, inner: Points, share: float, width: float
) -> Points:
    """Return one lock, which waves backward and down from the nape."""
    own = scene.random("hair style")
    rise, beat = float(own.uniform(-0.2, 0.5)), float(own.uniform(5, 8))
    start = outer[-1] + (inner[-1] - outer[-1]) * share + [0.05, -0.15 * (1 - share)]
    length = float(random.uniform(0.75, 1.25))
    t = np.linspace(0, 1, 40)
    phase = beat * t + share * 1.5 + float(random.normal(0, 0.15))
    x = start[0] - t * length * 0.75 + 0.03 * t * np.cos(phase)
    y = start[1] + t * length * (0.75 - rise) + np.sin(phase) * 0.085 * t + (share - 0.5) * 0.35 * t
    half = width * np.sin(np.pi * np.clip(t * 0.94 + 0.06, 0, 1)) ** 0.8 * 0.5
    return np.concatenate([np.stack([x, y - half], axis=1), np.stack([x, y + half], axis=1)[::-1]])


def _flowers(canvas: Canvas, scene: Scene, pose: Pose) -> None:
    """Paint flowers and leaves in the hair, over the ear."""
    random = scene.random("hair flowers")
    palette = scene.palette
    sheet = Sheet(canvas)
    center = pose.place(np.array([[-0.13, 0.34]]))[0]
    for _ in range(9):
        angle = float(random.uniform(0, 2 * np.pi))
        start = (float(center[0]), float(center[1]))
        end = (start[0] + np.cos(angle) * 0.19 * pose.size, start[1] + np.sin(angle) * 0.19 * pose.size)
        green = palette.tone(palette.cool, 0.42, 1.3)
        plants.leaf(
            sheet,
            plants.curve(start, end, 0.15),
            0.075 * pose.size,
            (mix(green, palette.dark(0, 0.2), 0.4), green, palette.tone(palette.cool, 0.66)),
            veins=5,
        )
    heads = [palette.vivid(i, 0.72) for i in range(len(palette))]
    for index in range(7):
        offset = random.normal(0, 0.075, 2) * pose.size if index else np.zeros(2)
        at = (float(center[0] + offset[0]), float(center[1] + offset[1]))
        color = heads[index % len(heads)]
        tones = (
            mix(color, palette.lamp(0.4), 0.35),
            mix(color, palette.dark(0, 0.3), 0.35),
            palette.vivid(palette.warm, 0.85),
        )
        (plants.daisy if index % 3 == 1 else plants.blossom)(
            sheet, random, at, float(random.uniform(0.06, 0.095)) * pose.size, tones
        )
    sheet.lay()


def _plan_dream(scene: Scene, pose: Pose, own: HeadShape) -> Plan:
    """Plan another composition inside the silhouette of a head."""
    random = scene.random("dream")
    inside = (landscape, sea, botanical, space, city)[int(random.integers(5))].plan(scene)
    kept: list[Field] = []

    def begin(canvas: Canvas) -> None:
        kept.append(canvas.rgb.copy())

    def end(canvas: Canvas) -> None:
        mask = masked(canvas, pose.place(own.whole))
        dreamt = canvas.rgb.copy()
        canvas.rgb[...] = kept.pop()
        fade = smooth(1.04, 0.80, canvas.y + fbm(random, canvas.shape, 3, 4) * np.float32(0.03))
        shade = blurred(mask, 0.035 * pose.size / canvas.pixel)
        canvas.cover(dreamt, mask * fade)
        canvas.shade(
            scene.palette.dark(scene.palette.deep, 0.3), mask * fade * np.clip(1 - shade, 0, 1) * np.float32(0.5)
        )
        canvas.light(scene.palette.lamp(0.6), (mask - blurred(mask, 0.004 / canvas.pixel)).clip(0, 1) * np.float32(0.5))

    return [Layer(5, begin), *inside, Layer(150, end)]
