"""The connections to the servers: Trio in a thread of its own, and the only package here that knows Trio."""

from phaseline_tui.link.links import Links

__all__ = ["Links"]
