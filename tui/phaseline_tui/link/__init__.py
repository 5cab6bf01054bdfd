"""The connections to the servers, in a thread of their own. Only this package uses Trio."""

from phaseline_tui.link.links import Links

__all__ = ["Links"]
