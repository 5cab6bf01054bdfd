"""The words that select a composition, a light or a medium. `moon*` matches every word that begins with moon."""

import re
from typing import Final

__all__ = ["FAMILY_WORDS", "LIGHT_WORDS", "MEDIUM_WORDS", "WEIGHTS", "fits", "tokens"]

FAMILY_WORDS: Final[dict[str, str]] = {
    "landscape": """
        landscape mountain hill valley field moor heather tundra bog canyon desert dune oasis glacier snowbound village
        terrace vineyard lake river waterfall plantation grove pass lava volcano stone mound windmill watermill barn
        farm prairie steppe savanna forest wood redwood birch pine taiga land range* ridge* panorama wilderness horizon
        beast wolf bear fox stag moose reindeer bison yak camel elephant giraffe zebra lynx tiger goat ram horse eagle
        falcon vulture crane balloon* kite yeti thunderbird hudson romanticism reced* vast hollow autumn* caravanserai
        airship mining shepherd hunter traveller traveler
    """,
    "sea": """
        sea ocean wave surf harbour harbor tidal tide island reef lighthouse cliff ship shipwreck* shore shoreline pier
        fjord lagoon ferry submarine houseboat steamer coast beach bay delta wharf quay boat sail* sailing anchor
        whale dolphin narwhal walrus seal octopus squid jellyfish kraken mermaid selkie albatross pelican puffin gull
        penguin sandpiper nautilus lobster shark ray sextant oar spindrift waterspout salt diver driftwood fret
    """,
    "city": """
        city town tower skyline rooftop* station street alley square market bazaar souk bridge canal tram train theatre
        theater carnival fairground cafe neon gaslight lamp* lamps foundry factory depot distant railway shipyard urban
        metropolis machine locomotive bicycle cobbled futurism precisionism venetian windows traffic
    """,
    "space": """
        star starlight starlit starfield star-filled planet comet meteor crater observator* astronaut galax* milky
        eclipse cosm* nebula moon orbit* orrery astrolabe telescope constellation* universe rocket robot astronom*
        shooting planetarium dotted void infinity
    """,
    "botanical": """
        garden orchard cherry meadow poppy sunflower lavender jungle greenhouse glasshouse mangrove bamboo hedge plant
        flower blossom* petal* fern ivy orchid thistle dandelion foxglove rose willow oak leaf leaves leafy vine* tree
        insect bumblebee butterfly moth ladybird hummingbird wren nightingale toucan sloth lemur herb* bouquet gardener
        botan* nouveau acanthus seed pollen spring moss caterpillar dragonfly sunbird lemur dryad faun
    """,
    "glass": """
        cathedral nave abbey monastery cloister crypt church chapel stained mosaic icon gothic byzantine medallion
        rosette* mandala radial sunburst* rose-window window halo kaleidoscop* tesserae illuminated romanesque altar
        phoenix dragon angel saint votive prism alabaster
    """,
    "geometry": """
        bauhaus construct* suprematism stijl orphism op minimalism cubism deco geometr* tile tiles grid panels patch*
        quilt* bands segments squares lattice hexagon* triangle* circle* circles square polka chequered zigzag* pillars
        strata secession textile weav* chess pop pinstripes dice puzzle jazz checker* blocks stepped abstract
    """,
    "flow": """
        abstract psychedelic swirl* spiral* vortex marbled wind gale whirl* smoke ink flow* current* silk hair contour
        rings grain ripples knotwork celtic plaited interlaced breeze dance* dancing music musical violin cello piano
        harp song expressionism movement expression* storm eel serpent
    """,
    "figures": """
        portrait* face woman man girl boy queen king figure* people mask* masked profile head dancer wizard ghost doll
        statue silhouette* dream* memory nostalgia reverie love longing mirror* giant banshee djinn golem sphinx
        puppet marionette person lover lovers mother sculptor philosopher hero heroine thoughtfulness
    """,
    "still_life": """
        still-life still life kitchen attic shop workshop apothecary* cellar bakery tea teapot teacup vase bottle fruit
        table candle candlelight jug bowl indoors room parlour parlor lamplight plums pomegranate pear apples loaf jar
        thing clock umbrella typewriter lantern kettle wardrobe library nursery museum dutch majolica porcelain delft
        ceramic* pottery food scattered cabinet
    """,
    "pond": """
        pond koi lotus lily lilies frog toad newt salmon pike carp turtle goldfish clownfish water underwater kelp coral
        aquarium fish tropical lagoon pufferfish seahorse otter beaver basin reflection* ripple* ripples swan heron
        salamander crocodile lagoon grotto sunken bird's-eye
    """,
}

LIGHT_WORDS: Final[dict[str, str]] = {
    "night": """
        night midnight moonlight moonlit moon starlight starlit star stars milky aurora northern nocturn* neon gaslight
        fireflies bioluminescence comet shooting lanterns
    """,
    "dawn": "dawn morning first sunrise early spring thaw dew awakening hope",
    "dusk": """
        dusk sunset twilight afterglow evening golden candlelight firelight ember coals furnace lava glow lamplight
        lantern autumn ash magic eclipse late
    """,
    "mist": "mist fog haze fret smoke drizzle overcast snow snowy frost hoar pollen frosted fleeting veil",
    "storm": "storm* thunder* lightning gale squall blizzard hail downpour waterspout driving rain dust tempest",
    "day": "day noon sun sunny sunshine clear bright afternoon mid-morning blue summer rainbow cumulus midday",
}

MEDIUM_WORDS: Final[dict[str, str]] = {
    "oil": """
        oil impression* post-impression* expression* romantic* realism realist baroque renaissance fauvism impasto
        palette-knife knife encaustic tempera netherlandish hudson venetian raphaelite symbolism surrealism rococo
        mannerism dutch spanish court* neoclassicism naive metaphysical regionalism nordic portraiture brush canvas
    """,
    "watercolor": """
        watercolo* wash ink scroll gouache botanical miniature chinese korean illustration illuminated japanese silk
        parchment handmade wet aquatint book golden-age porcelain delft mughal persian rajput cartography
    """,
    "print": """
        print* woodcut linocut litho* engraving etching poster riso* risograph screen ukiyo* block mezzotint pop comic
        matchbox cyanotype stone-cut bauhaus constructivism suprematism stijl deco label pulp collage paper-cut
        silhouette newsprint lubok silhouettes secession paper folk vase card
    """,
    "pastel": "pastel chalk charcoal drawing crayon fresco graphite silverpoint plaster suede felt velvet down red",
    "dots": "pointillis* mosaic dot dots tesserae sand beads embroidery needlework tapestry thangka",
    "glaze": """
        photoreal* precision* lacquer enamel glass gloss crystal minimal* neon digital daguerreotype polished pearl
        smooth op colour color field
    """,
}

WEIGHTS: Final[dict[str, float]] = {
    "noun": 3,
    "place": 3,
    "composition": 2,
    "artstyle": 2,
    "time": 1,
    "light": 2,
    "weather": 2,
    "adverb": 0,
    "adjective": 0.5,
    "action": 0.3,
    "gaze": 0,
    "litstyle": 0,
    "era": 0.3,
    "occupation": 0.5,
    "prop": 0.8,
    "palette": 0.5,
    "color": 0,
    "emotion": 0.6,
}
"""The weight of a word by its kind, without the number at its end; other kinds have weight 1."""

_TOKEN = re.compile(r"[^\W_]+(?:[-'\u2019][^\W_]+)*")


def tokens(text: str) -> frozenset[str]:
    """Return the words of a text in lower case, and the parts of words with hyphens such as `star-filled`."""
    whole = [token.casefold() for token in _TOKEN.findall(text)]
    return frozenset(part for token in whole for part in (token, *token.split("-")))


def fits(keyword: str, words: frozenset[str]) -> bool:
    """Return whether one of the words is the keyword or its plural; `galax*` matches any ending."""
    if keyword.endswith("*"):
        return any(word.startswith(keyword[:-1]) for word in words)
    return keyword in words or f"{keyword}s" in words or f"{keyword}es" in words
