"""The language in which people say which jobs they mean."""

from phaseline.filtering.words import FIELDS, Filter, Filterable, words_of

__all__ = ["FIELDS", "Filter", "Filterable", "words_of"]
