"""English grammar for prompts."""

import pytest

from phaseline_server.pictures.wording import capital, run_on, set_off, title_case, with_article


@pytest.mark.parametrize(
    "phrase",
    [
        *(
            "an agile fox",
            "an eerie light",
            "an icy koi",
            "an oak",
            "an umbrella",
            "an unearthly owl",
            "an uninvited guest",
        ),
        *("an unimpressed cat", "an hour", "an honest face", "an heirloom", "an honourable knight", "an Ottoman cup"),
        *("a fox", "a unicorn", "a uniform", "a unanimous vote", "a European hare", "a eucalyptus", "a ewe"),
        *("a one-eyed cat", "a useful key", "a usual day", "a utopian tale", "a ukulele", "a ubiquitous bird"),
        *("a horse", "a hinged door", "a yak", "a wren", "an onerous task", "an uncanny likeness", "an utter fool"),
    ],
)
def test_the_article_follows_the_pronunciation(phrase: str) -> None:
    assert with_article(phrase.split(" ", 1)[1]) == phrase


def test_a_title_capitalizes_all_but_small_words_in_the_middle() -> None:
    assert title_case("the salt-stained will-o'-the-wisp of the harbour at low tide") == (
        "The Salt-Stained Will-o'-the-Wisp of the Harbour at Low Tide"
    )


def test_capital_changes_only_the_first_letter() -> None:
    assert capital("a Venus flytrap") == "A Venus flytrap"
    assert capital("") == ""


def test_clauses_take_a_comma_where_english_requires_one() -> None:
    assert run_on("mending a map", "with glue") == "mending a map with glue"
    assert run_on("chasing a hat", "which has ideas of its own") == "chasing a hat, which has ideas of its own"
    assert set_off("looks up", "as if reading") == "looks up, as if reading"
    assert set_off("glances sideways", "at a joke") == "glances sideways at a joke"
