"""The Phaseline terminal view: live progress of all jobs on one or more servers."""
