"""The states of jobs in the page are those of the core."""

import json
import subprocess

import pytest

from phaseline.model.states import STATES
from tests.support.servers import ROOT

STATES_JS = ROOT / "server" / "phaseline_server" / "http" / "page" / "states.js"


@pytest.mark.needs("node")
def test_the_page_has_the_states_of_the_core() -> None:
    script = f"import {{ STATES }} from {json.dumps(STATES_JS.as_uri())}; console.log(JSON.stringify(STATES));"
    command = ["node", "--no-warnings", "--input-type=module", "--eval", script]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    facts = [
        (each["sign"], each["word"], each.get("running", False), each.get("ended", False)) for each in listed.values()
    ]
    assert list(listed) == list(STATES)
    assert facts == [(state.sign, state.word, state.at_work, state.ended) for state in STATES]
