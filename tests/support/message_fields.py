"""The fields of messages and job states on the wire, in their order."""

__all__ = ["COMMON", "ESTIMATED", "OWN", "QUEUE", "START"]

ESTIMATED = [
    *("name", "workflow", "series", "host", "state", "percent"),
    *("eta_seconds", "eta_low_seconds", "eta_high_seconds", "finish_at", "finish_low_at", "finish_high_at"),
    *("eta_basis", "eta_runs", "stage_index", "stage_count"),
]
"""Fields that messages about jobs and states of jobs have in common."""

COMMON = ["seq", "epoch", *ESTIMATED, "elapsed_seconds"]
"""Fields after `timestamp` in every message about a job."""

QUEUE = ["queue", "position", "queued_at", "start_eta_seconds", "start_at"]
START = ["worker", "stages", "averages", "cache_hit", "orders", *QUEUE]
"""Fields of `job_started` after the common ones."""

OWN = {
    "job_started": ["photo_info"],
    "job_progress": ["stage", "progress", "message", "details"],
    "stage_completed": ["stage", "result"],
    "photo_info": ["photo_data"],
    "error_occurred": ["error_type", "error_message", "error_details", "stage"],
    "job_completed": ["success", "result", "duration", "stages_completed"],
    "job_failed": ["success", "result", "duration"],
}
"""The photo protocol's fields of each message, between `photo_id` and `timestamp`."""
