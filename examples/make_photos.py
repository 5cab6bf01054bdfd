"""Generate a few photos with EXIF data, in place of a camera; one of the files is broken.

python examples/make_photos.py DIRECTORY [--few | --small]
"""

import sys
from pathlib import Path
from typing import Final

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from phaseline_server.pictures.painter import Brief, paint

SCENES: Final = [
    # name, size, words, (make, model, ISO, f-number, exposure, focal length)
    ("IMG_001", (900, 600), {"place": "mountain lake", "time": "day"}, ("Canon", "EOS R5", 100, 8.0, 1 / 250, 24)),
    ("IMG_002", (900, 600), {"place": "harbour", "time": "night"}, ("Canon", "EOS R5", 3200, 2.8, 1 / 60, 35)),
    ("IMG_003", (600, 900), {"noun": "portrait", "kind": "person"}, ("FUJIFILM", "X-T5", 400, 1.8, 1 / 125, 85)),
    ("IMG_004", (900, 600), {"place": "meadow", "weather": "mist"}, ("NIKON", "Z 6", 200, 11.0, 1 / 30, 50)),
]


def exif(make: str, model: str, iso: int, aperture: float, exposure: float, focal_length: float) -> Image.Exif:
    """Return the EXIF that such a camera writes."""
    made = Image.Exif()
    made[ExifTags.Base.Make], made[ExifTags.Base.Model] = make, model
    inner = made.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.ISOSpeedRatings] = iso
    inner[ExifTags.Base.FNumber] = IFDRational(round(10 * aperture), 10)
    inner[ExifTags.Base.ExposureTime] = IFDRational(1, round(1 / exposure))
    inner[ExifTags.Base.FocalLength] = IFDRational(round(focal_length), 1)
    inner[ExifTags.Base.DateTimeOriginal] = "2025:11:09 10:30:00"
    return made


def make(directory: Path, *, few: bool = False, small: bool = False) -> list[Path]:
    """Generate the missing photos; return the paths of all. With `few`: two small ones; with `small`: all are small."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (name, (width, height), words, camera) in enumerate(SCENES[:2] if few else SCENES, 1):
        path = directory / f"{name}.jpg"
        paths.append(path)
        if not path.exists():
            shrink = 4 if few or small else 1
            brief = Brief(seed=f"{number:x}", width=width // shrink, height=height // shrink, words=words, detail=1)
            paint(brief, lambda _: None).save(path, "JPEG", quality=93, exif=exif(*camera))
    if few:
        return paths
    broken = directory / "IMG_005.jpg"
    whole = paths[0].read_bytes()
    broken.write_bytes(whole[: len(whole) // 4])
    return [*paths, broken]


if __name__ == "__main__":
    for made in make(Path(sys.argv[1]), few="--few" in sys.argv[2:], small="--small" in sys.argv[2:]):
        print(made)
