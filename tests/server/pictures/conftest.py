"""What the tests of the pictures share."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.servers import client_of


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    # Loopback only: no proxy from the environment, and no certificates, whose loading takes longer than most tests.
    async with client_of() as client:
        yield client
