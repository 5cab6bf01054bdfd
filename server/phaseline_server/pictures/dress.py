"""The dress: everything that is known of one picture, as it is shown in snapshots and stored beside the picture."""

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
    """One picture's dress; on the wire its keys are in camelCase, and always all there.

    It is never changed, only replaced (`msgspec.structs.replace`), so nobody sees it half-changed.

    Attributes:
        original: The address, in lower case.
        file_name: The name of the picture's file, `<address>.png`.
        seed: Hexadecimal digits that everything was chosen by.
        prompt: What an image model is asked for.
        data_prompt: A table of the attributes.
        title_prompt: The picture's title.
        terse_prompt: One line, for the band under the picture.
        enhanced_prompt: `prompt`, or what a chat model made of it.
        attributes: How each row was chosen.
        seed_chunks: The seed, cut into a chunk for each attribute.
        selected_tokens: The names of the chosen rows, in the order of `attributes`.
        selected_records: The chosen rows, column -> cell, in the order of `attributes`.
        image_url: Where a provider had the picture; empty if it came otherwise.
        generated_path: The picture as it was made; relative to the data directory, empty until it is there.
        annotated_path: The picture with its band; relative to the data directory, empty until it is there.
        download_mode: How the picture came: by `url`, as `base64` in an answer, or from this machine (`local`).
        ipfs_hash: Empty: pictures are not published.
        cache_hit: Whether the picture was there before anybody asked for it.
        completed: Whether the annotated picture is there.
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
        """Return the row that was chosen for the attribute `name`; raises KeyError if there is no such attribute."""
        for attribute, record in zip(self.attributes, self.selected_records, strict=True):
            if attribute.name == name:
                return record
        raise KeyError(name)

    def colors(self) -> tuple[str, ...]:
        """Return what to paint with, as `#RRGGBB`: the palette's five, then the accents, none twice."""
        palette = self.record("palette")["colors"].split(" ")
        return tuple(dict.fromkeys([*palette, *(self.record(name)["hex"] for name in _ACCENTS)]))

    def words(self) -> dict[str, str]:
        """Return what to paint, in words by kind.

        These are the names of the chosen rows by attribute, and what a painter can use beside them: the `kind` of
        the noun, the `layout` of the composition, the `setting` of the place, and the `time` (day or night), if it
        is told by place, light or weather.
        """
        words = {attribute.name: attribute.value for attribute in self.attributes}
        words["kind"] = self.record("noun")["kind"]
        words["layout"] = self.record("composition")["layout"]
        words["setting"] = self.record("place")["setting"]
        times = [self.record(name)["time"] for name in ("place", "light", "weather")]
        if told := [time for time in times if time != _ANY_TIME]:
            words["time"] = told[0]
        return words


def make_dress(series: Series, address: str) -> Dress:
    """Return the dress of the picture at `address` in `series`: always the same one, on any machine.

    Args:
        series: Its filters narrow what may be chosen.
        address: `0x` and 1 to 64 hexadecimal digits.

    Raises:
        InvalidAddress: The address is none.
        BadSeriesFile: A filter of the series leaves nothing.
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
