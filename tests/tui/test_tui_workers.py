"""Workers in the view: the facts about a job's process, and each host with its jobs and its load."""

from phaseline_tui.drawing.detail import detail
from tests.support.tui_jobs import photo_job
from tests.tui.test_tui_drawing import SCENE, jobs, text_of

FACTS = {"command": "python render.py --token ***", "user": "ann", "pid": 4711, "folder": "sc024", "python": "3.12.1"}


def test_a_job_shows_the_facts_about_its_process() -> None:
    [job] = jobs(photo_job("job_1", "a.jpg", 2, worker=FACTS))
    shown = [text_of(row.line) for row in detail(job, 80, SCENE)]
    at = next(number for number, line in enumerate(shown) if "WORKER" in line)
    below = "\n".join(shown[at:])
    for name, fact in FACTS.items():
        assert name in below
        assert str(fact) in below
