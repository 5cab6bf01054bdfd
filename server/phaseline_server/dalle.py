"""The picture API's testing helpers, for the server that runs in this process.

from phaseline_server.dalle import get_progress, reset_metrics_for_test, force_metrics_save
"""

from phaseline_server.pictures.helpers import force_metrics_save, get_progress, reset_metrics_for_test

__all__ = ["force_metrics_save", "get_progress", "reset_metrics_for_test"]
