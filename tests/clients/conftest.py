"""Fixtures for all tests of clients."""

import pytest

from tests.support.reporting import PATIENT


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no reporter of this process give up because the machine stalls."""
    for name, seconds in PATIENT.items():
        monkeypatch.setattr(name, seconds)
