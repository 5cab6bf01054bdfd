"""The connections to the servers, in a separate thread. Only this package uses Trio."""

from phaseline_tui.link.links import Links

__all__ = ["Links"]
