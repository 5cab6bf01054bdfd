"""The filter language, which selects jobs."""

from phaseline.filtering.words import FIELDS, Filter, Filterable, words_of

__all__ = ["FIELDS", "Filter", "Filterable", "words_of"]
