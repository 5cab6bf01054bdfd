"""Report photo jobs with the API of the progress reporting quick start.

    from progress_reporter import init_progress_reporter, ProcessingStage
    from websocket_server import get_websocket_server

    reporter = init_progress_reporter(get_websocket_server())
    reporter.start_job("job_12345", 456, {"file_name": "IMG_001.CR3"})
    reporter.update_progress("job_12345", ProcessingStage.EXIF_ANALYSIS, 25.0, "Analyzing camera settings...")
    reporter.complete_stage("job_12345", ProcessingStage.EXIF_ANALYSIS, {"iso": 800})
    reporter.complete_job("job_12345", success=True)

No call waits for the server or raises because of it. An invalid call is logged under `phaseline` and ignored: an
unknown or ended job, an unknown stage, or a percentage out of range. A second `complete_job` is such a call. For jobs
of any other kind see `phaseline.reporting.Reporter`.
"""

from phaseline.reporting.compat.photo import (
    ProcessingStage,
    ProgressReporter,
    get_progress_reporter,
    init_progress_reporter,
)

__all__ = ["ProcessingStage", "ProgressReporter", "get_progress_reporter", "init_progress_reporter"]
