"""Phaseline's core: workflows, events, the job state machine, statistics, estimates, snapshots and the wire.

Everything here is pure (no clock, no files, no sockets) except `phaseline.reporting`, and `phaseline.client` that it
connects with.
"""

__version__ = "0.1.0"
