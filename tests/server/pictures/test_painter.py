"""The painter by itself: one brief is one picture, seeds differ, colors are kept, nothing is noise or blank."""

import hashlib
import os
import subprocess
import sys
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from phaseline.errors import InvalidField
from phaseline_server.pictures.painter import paint
from phaseline_server.pictures.painting.brief import Brief
from phaseline_server.pictures.painting.color import lab_from_rgb, rgb_from_hex
from phaseline_server.pictures.painting.composition import FAMILIES, MEDIA, compose

# A word that calls for each family, and no other family.
WORDS = {
    "landscape": "mountain",
    "sea": "ocean",
    "city": "skyline",
    "space": "planet",
    "botanical": "blossom",
    "glass": "cathedral",
    "geometry": "bauhaus",
    "flow": "vortex",
    "figures": "portrait",
    "still_life": "teapot",
    "pond": "koi",
}
MEDIUM_WORDS = {
    "glaze": "enamel",
    "oil": "impasto",
    "watercolor": "watercolour",
    "print": "linocut",
    "pastel": "pastel",
    "dots": "pointillism",
}
COLORS = ("#1d3557", "#e63946", "#f1faee")

Pixels = npt.NDArray[np.float64]


def brief(family: str, seed: str = "5eed", *, medium: str = "glaze", **changes: object) -> Brief:
    words = {"noun": WORDS[family], "artstyle": MEDIUM_WORDS[medium]}
    base = Brief(seed=seed, width=128, height=128, colors=COLORS, words=words, detail=1)
    return msgspec.structs.replace(base, **changes)


def pixels(order: Brief) -> Pixels:
    return np.asarray(paint(order, lambda _: None), dtype=np.float64) / 255


def seen_small(picture: Pixels) -> Pixels:
    """Return the picture as one sees it from afar: 12 x 12 patches in OKLab, where distances are what the eye sees."""
    rows, columns = picture.shape[0] // 12, picture.shape[1] // 12
    patches = picture[: rows * 12, : columns * 12].reshape(12, rows, 12, columns, 3).mean(axis=(1, 3))
    return lab_from_rgb(patches)


def difference(one: Pixels, two: Pixels) -> float:
    return float(np.abs(seen_small(one) - seen_small(two)).mean())


PROGRAM = """
import hashlib, sys, msgspec
from phaseline_server.pictures.painter import Brief, paint
for line in sys.stdin.buffer:
    image = paint(msgspec.json.decode(line, type=Brief), lambda _: None)
    print(image.size, hashlib.sha256(image.tobytes()).hexdigest())
"""


def painted_elsewhere(orders: list[Brief], hash_seed: str, threads: str) -> list[str]:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM],
        input=b"\n".join(map(msgspec.json.encode, orders)),
        env=environment,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().splitlines()


@pytest.mark.slow
def test_the_same_brief_is_the_same_picture_in_any_process() -> None:
    orders = [brief(family, medium=medium) for family, medium in zip(FAMILIES, [*MEDIA, *MEDIA], strict=False)]
    orders.append(brief("landscape", medium="watercolor", width=512, height=512))
    first = painted_elsewhere(orders, hash_seed="1", threads="1")
    second = painted_elsewhere(orders, hash_seed="77", threads="2")
    assert first == second
    assert len(set(first)) == len(orders)
    here = paint(orders[0], lambda _: None)
    assert first[0] == f"{here.size} {hashlib.sha256(here.tobytes()).hexdigest()}"


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_different_seeds_give_clearly_different_pictures(family: str) -> None:
    pictures = [pixels(brief(family, f"{seed:x}", width=96, height=96)) for seed in range(40, 43)]
    noise = np.random.default_rng(1).normal(0, 0.05, pictures[0].shape)
    for index, one in enumerate(pictures):
        assert difference(one, np.clip(one + noise, 0, 1)) < 0.01, "the same picture with another grain is the same"
        for two in pictures[:index]:
            assert difference(one, two) > 0.013


def test_the_seed_ignores_case_and_the_prefix_0x() -> None:
    one, two = (pixels(brief("glass", seed, width=64, height=64)) for seed in ("0xABC", "abc"))
    assert (one == two).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("colors", "others"),
    [
        (("#b0122e", "#e0641f", "#f6c36a"), ("#27496b", "#2a9d8f", "#4a5a9a")),
        (("#0b3d2e", "#5c9e4a"), ("#5a2e6e", "#b05c8a")),
    ],
    ids=["warm and cold", "green and plum"],
)
def test_the_picture_uses_the_colors_of_the_brief(
    family: str, colors: tuple[str, ...], others: tuple[str, ...]
) -> None:
    picture = pixels(brief(family, "c0104", colors=colors))
    lab = lab_from_rgb(picture.reshape(-1, 3))
    chroma = np.hypot(lab[:, 1], lab[:, 2])

    def turn_to(names: tuple[str, ...]) -> float:
        """Return how far, in radians, the colored part of the picture is from the nearest of these hues."""
        targets = [lab_from_rgb(rgb_from_hex(name)) for name in names]
        hues = np.array([np.arctan2(target[2], target[1]) for target in targets])
        away = np.abs(np.angle(np.exp(1j * (np.arctan2(lab[:, 2], lab[:, 1])[:, None] - hues)))).min(axis=1)
        return float((away * chroma).sum() / chroma.sum())

    assert turn_to(colors) < 0.5
    assert turn_to(colors) < turn_to(others) / 1.5


@pytest.mark.slow
@pytest.mark.parametrize("medium", MEDIA)
def test_pictures_are_neither_noise_nor_blank(medium: str) -> None:
    for family in ("landscape", "still_life"):
        order = brief(family, "a11", medium=medium, width=256, height=256)
        if compose(order).medium != medium:
            continue
        picture = pixels(order)
        light = lab_from_rgb(picture)[..., 0]
        assert light.std() > 0.05
        assert np.ptp(np.percentile(light, [2, 98])) > 0.2
        neighbors = np.corrcoef(light[:, 1:].ravel(), light[:, :-1].ravel())[0, 1]
        assert neighbors > 0.6
        # Natural pictures have a power spectrum that falls about as 1/f²; noise has a flat one.
        assert slope(light) < -1.2


def slope(light: npt.NDArray[np.float64]) -> float:
    side = light.shape[0]
    window = np.hanning(side)[:, None] * np.hanning(side)[None, :]
    power = np.abs(np.fft.fftshift(np.fft.fft2((light - light.mean()) * window))) ** 2
    y, x = np.indices(power.shape) - side // 2
    frequency = np.hypot(x, y).round().astype(int)
    rings = np.bincount(frequency.ravel(), power.ravel()) / np.bincount(frequency.ravel())
    used = np.arange(3, side // 4)
    return float(np.polyfit(np.log(used), np.log(rings[used]), 1)[0])


def test_the_check_detects_noise_and_blank_paper() -> None:
    noise = np.random.default_rng(3).random((256, 256))
    assert slope(noise) > -0.5
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_progress_rises_from_0_to_1_in_at_least_twenty_steps(family: str) -> None:
    reported: list[float] = []
    paint(brief(family, width=64, height=64), reported.append)
    assert reported[0] == 0
    assert reported[-1] == pytest.approx(1)
    assert reported == sorted(reported)
    assert len(set(reported)) >= 20
    assert max(after - before for before, after in pairwise(reported)) < 0.35


@pytest.mark.parametrize("family", FAMILIES)
def test_words_select_the_composition(family: str) -> None:
    assert {compose(brief(family, f"{seed:x}")).family for seed in range(3)} == {family}


@pytest.mark.parametrize("medium", MEDIA)
def test_words_select_the_medium(medium: str) -> None:
    assert compose(brief("landscape", medium=medium)).medium == medium


@pytest.mark.parametrize(
    ("word", "light"),
    [
        ("midnight", "night"),
        ("a gathering storm", "storm"),
        ("first light", "dawn"),
        ("sunset", "dusk"),
        ("thick fog", "mist"),
    ],
)
def test_words_select_the_light(word: str, light: str) -> None:
    assert compose(Brief(seed="1", words={"weather": word})).light == light


@pytest.mark.slow
def test_without_words_the_seed_selects_among_all_families_and_media() -> None:
    chosen = [compose(Brief(seed=f"{seed:x}")) for seed in range(120)]
    assert {composition.family for composition in chosen} == set(FAMILIES)
    assert {composition.medium for composition in chosen} == set(MEDIA)


@pytest.mark.slow
def test_hostile_words_are_harmless() -> None:
    words = {"noun": "\x1b]0;x\x07../../etc/passwd\r\n\x00", "place": "𝕯" * 5000, "": "", "artstyle": "' OR 1=1 --"}
    image = paint(Brief(seed="ff", width=64, height=64, words=words, detail=1), lambda _: None)
    assert image.size == (64, 64)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(160, 64), (64, 160), (97, 71)])
def test_every_family_can_paint_every_canvas_shape(size: tuple[int, int]) -> None:
    for family in FAMILIES:
        assert paint(brief(family, width=size[0], height=size[1]), lambda _: None).size == size


@pytest.mark.parametrize("colors", [(), ("#000000",), ("#ffffff",), ("#808080", "#808080"), ("#ff00ff", "#00ff00") * 8])
@pytest.mark.slow
def test_any_colors_can_be_used(colors: tuple[str, ...]) -> None:
    for family in ("landscape", "figures", "flow"):
        paint(brief(family, width=64, height=64, colors=colors), lambda _: None)


@pytest.mark.slow
def test_a_finer_painting_is_the_same_picture() -> None:
    coarse, fine = (pixels(brief("landscape", "d37a11", detail=detail)) for detail in (1, 3))
    other = pixels(brief("landscape", "d37a12", detail=1))
    assert difference(coarse, fine) < 0.5 * difference(coarse, other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": ""},
        {"seed": "xyz"},
        {"seed": "0" * 129},
        {"width": 63},
        {"height": 4097},
        {"colors": ("red",)},
        {"colors": ("#12345",)},
        {"colors": ("#000000",) * 17},
        {"detail": 0},
        {"detail": 6},
    ],
    ids=lambda wrong: f"{next(iter(wrong))}",
)
def test_an_invalid_brief_is_an_error_that_names_the_field(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidField) as refused:
        Brief(**{"seed": "1", **wrong})  # type: ignore[arg-type]
    assert refused.value.field == next(iter(wrong))


def test_a_brief_round_trips_through_json() -> None:
    order = brief("sea")
    assert msgspec.json.decode(msgspec.json.encode(order), type=Brief) == order
