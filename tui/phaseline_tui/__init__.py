"""The Phaseline terminal view: every job of a server, phase by phase, as it happens."""
