"""The `annotate` phase: draws the terse prompt on a band below the picture."""

from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from phaseline_server.pictures.band_colour import WHITE, edge_colour, type_colour
from phaseline_server.pictures.errors import PictureError
from phaseline_server.pictures.typesetting import Block, font_of, printable, typeset

__all__ = ["annotate"]

# Text is drawn this many times larger and then reduced, so that glyphs can have subpixel positions.
_OVERSAMPLING: Final = 4
# The line between picture and band, needed if both have the same color: its height relative to the font size, and its
# opacity, of 255.
_RULE: Final = 0.06
_RULE_STRENGTH: Final = 72


def annotate(png: bytes, text: str) -> bytes:
    """Return the PNG with `text` on a band below the picture, whose pixels are unchanged.

    The band is as wide as the picture and as high as its text, at most four lines. A longer text ends in "…"; without
    printable text there is no band. Transparent pixels become white. The same arguments give the same bytes. This takes
    a few tenths of a second for a large picture, so call it in a thread.

    Raises:
        PictureError: `png` is not a complete PNG.
    """
    try:
        with Image.open(BytesIO(png), formats=("PNG",)) as opened:
            profile = opened.info.get("icc_profile") if opened.mode.startswith("RGB") else None
            picture = _flat(opened)
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError(f"cannot annotate {len(png):,} bytes: {error}; allowed: a complete PNG") from error
    block = typeset(printable(text), *picture.size)
    canvas = picture if block is None else _with_band(picture, block)
    file = BytesIO()
    canvas.save(file, "PNG", icc_profile=profile)
    return file.getvalue()


def _flat(picture: Image.Image) -> Image.Image:
    """Return the picture in RGB, from any mode of a PNG."""
    if picture.mode.startswith("I"):  # 16-bit gray, which Pillow would clip to 255 instead of scaling
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (*WHITE, 255)), layer).convert("RGB")


def _with_band(picture: Image.Image, block: Block) -> Image.Image:
    width, height = picture.size
    ground = edge_colour(picture)
    canvas = Image.new("RGB", (width, height + block.height), ground)
    canvas.paste(picture)
    large = Image.new("L", (width * _OVERSAMPLING, block.height * _OVERSAMPLING))
    pen = ImageDraw.Draw(large)
    font = font_of(block.size * _OVERSAMPLING)
    for line, baseline in zip(block.lines, block.baselines, strict=True):
        place = (width * _OVERSAMPLING / 2, baseline * _OVERSAMPLING)
        pen.text(place, line, fill=255, font=font, anchor="ms")
    ink = type_colour(ground)
    canvas.paste(ink, (0, height), large.reduce(_OVERSAMPLING))
    rule = Image.new("L", (width, max(1, round(block.size * _RULE))), _RULE_STRENGTH)
    canvas.paste(ink, (0, height), rule)
    return canvas
