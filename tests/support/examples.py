"""The number of examples that Hypothesis tries, in proportion to the profile in use."""

from hypothesis import settings


def examples(number: int) -> int:
    """Return the number of examples to try where Hypothesis's usual profile tries `number`."""
    usual = settings.get_profile("default").max_examples
    return max(1, number * settings().max_examples // usual)
