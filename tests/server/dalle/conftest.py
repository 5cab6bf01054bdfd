"""What the tests of the pictures share."""

from collections.abc import AsyncIterator

import httpx
import pytest


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    # Loopback only: no proxy from the environment, and no certificates, whose loading takes longer than most tests.
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:  # noqa: S501
        yield client
