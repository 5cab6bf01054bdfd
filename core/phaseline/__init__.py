"""Phaseline's core: workflows, events, the job state machine, statistics, estimates, snapshots and the wire format.

The code is pure: it uses no clock, files or sockets. The exceptions are `phaseline.reporting` and the package it
connects with, `phaseline.client`.
"""

__version__ = "0.1.0"
