"""The command `phaseline`: run programs, send reports and look at jobs from a shell."""
