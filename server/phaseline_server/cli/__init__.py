"""The program `progress-server`: its commands and flags."""
