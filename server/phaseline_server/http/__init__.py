"""The HTTP app: routes, answers, errors, the page."""
