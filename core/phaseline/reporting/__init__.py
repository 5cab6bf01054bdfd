"""Reporting from a worker: `Reporter` and its jobs.

`phaseline.reporting.tqdm` and `phaseline.reporting.rich` report the progress bars of these libraries.
"""

from phaseline.reporting.job import JobReporter
from phaseline.reporting.reporter import Reporter

__all__ = ["JobReporter", "Reporter"]
