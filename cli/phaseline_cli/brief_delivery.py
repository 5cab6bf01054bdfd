"""Deliver the reports of a short command over HTTP; importing the WebSocket client would take longer than it runs."""

from threading import Event
from typing import Final, Literal

from phaseline.client.notes import warn
from phaseline.reporting.delivery.spool import Spool
from phaseline.reporting.record import sent
from phaseline_cli.client.connection import Away, Connection, addresses_of, connect
from phaseline_cli.client.failures import Failure

__all__ = ["BriefDelivery"]

_CONNECT_S: Final = 2.0
_ANSWER_S: Final = 5.0
_BATCH: Final = 100
_PATH: Final = "/progress/batch"


class BriefDelivery:
    """Delivers to the server of PROGRESS_URL; see `phaseline.reporting.delivery.brief`."""

    def __init__(self, ended: Event) -> None:
        """Deliver over HTTP if the command ends, which sets `ended`, before the WebSocket client is imported."""
        self._ended = ended

    def is_near(self) -> bool:
        """Return whether the command has ended, so that only its last output is still read."""
        return self._ended.is_set()

    def deliver(self, spool: Spool) -> Literal["delivered", "away", "unclear"]:
        """Deliver all records of a spool."""
        try:
            with connect(None, _CONNECT_S, _ANSWER_S) as connection:
                return "delivered" if _all_accepted(connection, spool) else "unclear"
        except Away as error:
            warn("no connection to %s (%s); reports are stored and delivered later", addresses_of(None)[0].url, error)
            return "away"
        except Failure:
            return "unclear"


def _all_accepted(connection: Connection, spool: Spool) -> bool:
    while batch := spool.send(_BATCH):
        frames = [sent(record, spool.producer) for record in batch]
        answer = connection.read("POST", _PATH, b"[%b]" % b",".join(frames))
        spool.epoch = str(answer["epoch"])
        for record, result in zip(batch, answer["results"], strict=True):
            if not result["success"]:
                return False
            spool.settle(record.number, accepted=True)
    return True
