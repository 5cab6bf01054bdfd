"""The dress: all attributes and prompts of one picture, as shown in snapshots and stored with the picture."""

from typing import Final, Literal, TypeAlias

import msgspec

from phaseline.model.workflows import valid_address
from phaseline_server.pictures.prompts import write
from phaseline_server.pictures.selection import Attribute, Record, choose
from phaseline_server.pictures.series import Series

__all__ = ["Attribute", "DownloadMode", "Dress", "make_dress"]

DownloadMode: TypeAlias = Literal["", "url", "base64", "local"]

_ACCENTS: Final = ("color1", "color2")
_ANY_TIME: Final = "any"


class Dress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One picture's dress. On the wire, all keys are present, in camelCase.

    It is immutable and only replaced (`msgspec.structs.replace`), so that readers never see a partial update.

    Attributes:
        original: The address, in lower case.
        file_name: The name of the picture's file, `<address>.png`.
        seed: Hexadecimal digits from which everything is selected.
        prompt: The prompt for an image model.
        data_prompt: A table of the attributes.
        title_prompt: The picture's title.
        terse_prompt: One line, for the band below the picture.
        enhanced_prompt: `prompt`, or a chat model's version of it.
        attributes: The selection of each row.
        seed_chunks: The seed, divided into a chunk for each attribute.
        selected_tokens: The names of the selected rows, in the order of `attributes`.
        selected_records: The selected rows, column -> cell, in the order of `attributes`.
        image_url: The provider's URL of the picture; empty if there was none.
        generated_path: Path of the original picture, relative to the data directory; empty until it exists.
        annotated_path: Path of the picture with its band, relative to the data directory; empty until it exists.
        download_mode: The source of the picture: a `url`, `base64` in a response, or this machine (`local`).
        ipfs_hash: Always empty: pictures are not published.
        cache_hit: Whether the picture already existed when it was requested.
        completed: Whether the annotated picture exists.
        series: The series' name.
    """

    original: str
    file_name: str
    seed: str
    prompt: str
    data_prompt: str
    title_prompt: str
    terse_prompt: str
    enhanced_prompt: str
    attributes: tuple[Attribute, ...]
    seed_chunks: tuple[str, ...]
    selected_tokens: tuple[str, ...]
    selected_records: tuple[Record, ...]
    image_url: str = ""
    generated_path: str = ""
    annotated_path: str = ""
    download_mode: DownloadMode = ""
    ipfs_hash: str = ""
    cache_hit: bool = False
    completed: bool = False
    series: str

    def record(self, name: str) -> Record:
        """Return the row selected for the attribute `name`.

        Raises:
            KeyError: There is no such attribute.
        """
        for attribute, record in zip(self.attributes, self.selected_records, strict=True):
            if attribute.name == name:
                return record
        raise KeyError(name)

    def colors(self) -> tuple[str, ...]:
        """Return the colors to paint with, as `#RRGGBB` without duplicates: the palette's five, then the accents."""
        palette = self.record("palette")["colors"].split(" ")
        return tuple(dict.fromkeys([*palette, *(self.record(name)["hex"] for name in _ACCENTS)]))

    def words(self) -> dict[str, str]:
        """Return the words to paint from, by attribute.

        These are the names of the selected rows, and further columns for the painter: the `kind` of the noun, the
        `layout` of the composition, the `setting` of the place, and the `time` (day or night), if place, light or
        weather determine it.
        """
        words = {attribute.name: attribute.value for attribute in self.attributes}
        words["kind"] = self.record("noun")["kind"]
        words["layout"] = self.record("composition")["layout"]
        words["setting"] = self.record("place")["setting"]
        times = [self.record(name)["time"] for name in ("place", "light", "weather")]
        if known := [time for time in times if time != _ANY_TIME]:
            words["time"] = known[0]
        return words


def make_dress(series: Series, address: str) -> Dress:
    """Return the dress of the picture at `address` in `series`. The result is the same on every machine.

    Args:
        series: The series, whose filters limit the selection.
        address: `0x` and 1 to 64 hexadecimal digits.

    Raises:
        InvalidAddress: The address is not valid.
        BadSeriesFile: A filter of the series matches no row.
    """
    address = valid_address(address)
    selection = choose(series, address)
    prompts = write(selection, series.name, address)
    return Dress(
        original=address,
        file_name=f"{address}.png",
        seed=selection.seed,
        prompt=prompts.prompt,
        data_prompt=prompts.data,
        title_prompt=prompts.title,
        terse_prompt=prompts.terse,
        enhanced_prompt=prompts.prompt,
        attributes=selection.attributes,
        seed_chunks=selection.chunks,
        selected_tokens=tuple(attribute.value for attribute in selection.attributes),
        selected_records=selection.records,
        series=series.name,
    )
