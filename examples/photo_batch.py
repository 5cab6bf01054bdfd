"""Process a folder of photos in the eight stages of the `photo` workflow, several at a time, and report each.

    python examples/photo_batch.py ~/Pictures/2024-06-01 [--out DIRECTORY] [--jobs 3]

Every stage does real work with Pillow: it reads the EXIF, scores sharpness and exposure, guesses the scene, chooses a
preset with a reason, applies it, checks that the result is no worse, and exports a JPEG with the EXIF kept. A file that
is not a picture only fails its own job. PROGRESS_URL is the server's address; the work is also done without a server.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from PIL import ExifTags, Image, ImageEnhance, ImageFilter, ImageOps, ImageStat, UnidentifiedImageError

from progress_reporter import ProcessingStage, ProgressReporter, init_progress_reporter
from websocket_server import get_websocket_server

SUFFIXES: Final = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
BANDS: Final = 8  # a preset is applied in this many strips, so that there is progress to report
# https://en.wikipedia.org/wiki/Discrete_Laplace_operator#Image_processing: its variance is high where edges are sharp.
LAPLACE: Final = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)


@dataclass(frozen=True)
class Preset:
    """Factors for Pillow's enhancers; 1.0 changes nothing."""

    name: str
    brightness: float = 1.0
    contrast: float = 1.0
    color: float = 1.0
    sharpness: float = 1.0


PRESETS: Final = {
    "night": Preset("Night_Lift_v2", brightness=1.18, contrast=0.97, color=1.05, sharpness=1.1),
    "backlit": Preset("Backlight_Open_v1", brightness=1.12, contrast=0.92, color=1.08),
    "high_key": Preset("WhiteLayer_Transparency_v4", brightness=0.95, contrast=1.06, color=1.04),
    "portrait": Preset("Skin_Soft_v3", brightness=1.03, contrast=0.98, color=1.02, sharpness=0.95),
    "landscape": Preset("Clear_Air_v5", contrast=1.08, color=1.12, sharpness=1.25),
    "flat": Preset("Contrast_Base_v1", contrast=1.15, color=1.06, sharpness=1.1),
}


@dataclass
class Scores:
    """Scores from 0 to 5, like a photographer's stars."""

    sharpness: float
    exposure: float
    brightness: float
    clipped: float

    @property
    def overall(self) -> float:
        """The mean of both scores."""
        return round((self.sharpness + self.exposure) / 2, 2)


def score(image: Image.Image) -> Scores:
    """Return the scores of a picture's sharpness and exposure."""
    small = image.convert("L")
    small.thumbnail((1024, 1024))
    histogram, pixels = small.histogram(), small.width * small.height
    clipped = (sum(histogram[:4]) + sum(histogram[252:])) / pixels
    brightness = ImageStat.Stat(small).mean[0] / 255
    edges = ImageStat.Stat(small.filter(LAPLACE)).var[0]
    return Scores(
        sharpness=round(min(5.0, edges**0.5 / 4), 2),
        exposure=round(max(0.0, 5 - 8 * abs(brightness - 0.46) - 12 * clipped), 2),
        brightness=round(brightness, 3),
        clipped=round(clipped, 4),
    )


def exif_of(image: Image.Image) -> dict[str, Any]:
    """Return the camera's EXIF data as plain values."""
    exif = image.getexif()
    tags = {ExifTags.TAGS.get(tag, ""): value for tag, value in {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}.items()}
    found: dict[str, Any] = {
        "camera_make": tags.get("Make"),
        "camera_model": tags.get("Model"),
        "iso": tags.get("ISOSpeedRatings"),
        "aperture": tags.get("FNumber"),
        "shutter_speed": tags.get("ExposureTime"),
        "focal_length": tags.get("FocalLength"),
        "taken": tags.get("DateTimeOriginal") or tags.get("DateTime"),
    }
    plain = {name: float(value) if hasattr(value, "numerator") else value for name, value in found.items()}
    if plain["shutter_speed"] and plain["shutter_speed"] < 1:
        plain["shutter_speed"] = f"1/{round(1 / plain['shutter_speed'])}"
    return {name: value for name, value in plain.items() if value not in (None, "")}


def scene(image: Image.Image, exif: dict[str, Any], scores: Scores) -> tuple[str, str]:
    """Return the kind of scene and the reason for the choice."""
    gray = image.convert("L").resize((48, 48))
    middle = ImageStat.Stat(gray.crop((16, 16, 32, 32))).mean[0]
    rim = (ImageStat.Stat(gray.crop((0, 0, 48, 2))).mean[0] + ImageStat.Stat(gray.crop((0, 46, 48, 48))).mean[0]) / 2
    spread = ImageStat.Stat(gray).stddev[0]
    if scores.brightness < 0.27:
        return "night", f"mean brightness is only {scores.brightness:.0%}"
    if scores.brightness > 0.72:
        return "high_key", f"mean brightness is {scores.brightness:.0%}"
    if rim - middle > 45:
        return "backlit", f"the rim is {rim - middle:.0f} levels brighter than the middle"
    if image.height > image.width and float(exif.get("focal_length") or 0) >= 50:
        return "portrait", f"upright, at {exif['focal_length']:.0f} mm"
    if spread < 38:
        return "flat", f"levels spread by only {spread:.0f}"
    return "landscape", "none of the special cases"


def applied(image: Image.Image, preset: Preset, amount: float) -> Image.Image:
    """Return the picture with a preset of the given strength, 0 to 1."""
    for enhancer, factor in (
        (ImageEnhance.Brightness, preset.brightness),
        (ImageEnhance.Contrast, preset.contrast),
        (ImageEnhance.Color, preset.color),
        (ImageEnhance.Sharpness, preset.sharpness),
    ):
        image = enhancer(image).enhance(1 + (factor - 1) * amount)
    return image


class Photo:
    """The processing of one photo."""

    def __init__(self, reporter: ProgressReporter, path: Path, target: Path, number: int) -> None:
        """Process `path`; write the result to `target`."""
        self._reporter = reporter
        self._path = path
        self._target = target
        self._number = number
        self._job_id = f"photo-{path.stem[:60]}-{uuid4().hex[:8]}"

    def _at(self, stage: ProcessingStage, percent: float, message: str, **details: Any) -> None:
        self._reporter.update_progress(self._job_id, stage, percent, message, details)

    def _done(self, stage: ProcessingStage, **result: Any) -> None:
        self._reporter.complete_stage(self._job_id, stage, result)

    def run(self) -> bool:
        """Run all stages and report the outcome."""
        began = time.monotonic()
        info = {"file_name": self._path.name, "file_path": str(self._path), "file_size": self._path.stat().st_size}
        self._reporter.start_job(self._job_id, self._number, info)
        try:
            result = self._stages()
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
            status = self._reporter.get_job_status(self._job_id) or {}
            text = f"{self._path.name} can't be processed: {error}"
            self._reporter.report_error(self._job_id, type(error).__name__, text, stage=status.get("current_stage"))
            self._reporter.complete_job(self._job_id, success=False, result={"error": text})
            return False
        result["seconds"] = round(time.monotonic() - began, 2)
        self._reporter.complete_job(self._job_id, success=True, result=result)
        return True

    def _stages(self) -> dict[str, Any]:
        stage = ProcessingStage
        self._at(stage.IMPORTING, 0, f"reading {self._path.name}")
        with Image.open(self._path) as opened:
            exif_bytes = opened.getexif().tobytes()
            exif = exif_of(opened)
            # Decoding verifies that the file is complete; applying the camera's rotation makes the picture upright.
            image = ImageOps.exif_transpose(opened).convert("RGB")
        self._done(stage.IMPORTING, width=image.width, height=image.height)

        self._at(stage.EXIF_ANALYSIS, 50, "reading the camera's settings", **exif)
        self._done(stage.EXIF_ANALYSIS, **exif)

        self._at(stage.AI_EVALUATION, 0, "scoring sharpness and exposure")
        before = score(image)
        self._done(stage.AI_EVALUATION, score=before.overall, focus_score=before.sharpness)

        self._at(stage.CONTEXT_DETECTION, 0, "looking at light and format")
        kind, why = scene(image, exif, before)
        self._done(stage.CONTEXT_DETECTION, context=kind, reason=why)
        evaluation = {"score": before.overall, "focus_score": before.sharpness, "exposure_score": before.exposure}
        self._reporter.send_photo_info(self._job_id, {"exif": exif, "ai_evaluation": evaluation, "context": kind})

        preset = PRESETS[kind]
        self._at(stage.PRESET_SELECTION, 100, f"{preset.name}, for {why}")
        self._done(stage.PRESET_SELECTION, preset=preset.name, reason=why)

        edited, amount = self._apply(image, preset, before)
        self._at(stage.EXPORTING, 0, f"writing {self._target.name}")
        self._target.parent.mkdir(parents=True, exist_ok=True)
        edited.save(self._target, "JPEG", quality=92, exif=_upright(exif_bytes))
        self._done(stage.EXPORTING, path=str(self._target), bytes=self._target.stat().st_size)
        return {"preset_applied": preset.name, "blend_amount": round(100 * amount), "stages_completed": 8}

    def _apply(self, image: Image.Image, preset: Preset, before: Scores) -> tuple[Image.Image, float]:
        """Apply the preset; reduce its strength while the quality check fails."""
        amount = 1.0
        while True:
            edited = image.copy()
            for band in range(BANDS):
                box = (0, image.height * band // BANDS, image.width, image.height * (band + 1) // BANDS)
                edited.paste(applied(image.crop(box), preset, amount), box)
                self._at(
                    ProcessingStage.APPLYING_PRESET, 100 * (band + 1) / BANDS, f"{preset.name} at {100 * amount:.0f} %"
                )
            self._done(ProcessingStage.APPLYING_PRESET, preset=preset.name, blend_amount=round(100 * amount))
            self._at(ProcessingStage.QUALITY_CHECK, 0, "comparing with the original")
            after = score(edited)
            if after.clipped <= before.clipped + 0.02 or amount < 0.3:
                self._done(ProcessingStage.QUALITY_CHECK, score=after.overall, clipped=after.clipped)
                return edited, amount
            amount /= 2


def _upright(exif_bytes: bytes) -> Image.Exif:
    """Return the EXIF data without the rotation, which is applied already."""
    exif = Image.Exif()
    exif.load(exif_bytes)
    exif.pop(ExifTags.Base.Orientation, None)
    return exif


def main() -> int:
    """Process a folder; return 0 if every photo succeeded, 1 if some failed, 2 if there was none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="Output folder. [FOLDER/exported]")
    parser.add_argument("--jobs", type=int, default=3, help="Number of photos at a time. [3]")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"photo_batch: {arguments.folder} is not a folder", file=sys.stderr)
        return 2
    paths = sorted(path for path in arguments.folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        print(f"photo_batch: no photos in {arguments.folder}; allowed: {', '.join(sorted(SUFFIXES))}", file=sys.stderr)
        return 2
    out = arguments.out or arguments.folder / "exported"
    reporter = init_progress_reporter(get_websocket_server())
    photos = [Photo(reporter, path, out / f"{path.stem}.jpg", number) for number, path in enumerate(paths, 1)]
    with ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
        went_well = list(pool.map(Photo.run, photos))
    print(f"{sum(went_well)} of {len(paths)} photos exported to {out}")
    return 0 if all(went_well) else 1


if __name__ == "__main__":
    sys.exit(main())
