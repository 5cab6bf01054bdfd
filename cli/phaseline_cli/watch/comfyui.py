"""Watching a ComfyUI server: each prompt is a job, and its nodes are the phases.

ComfyUI sends `status` to all clients, whenever its queue changes. It sends a prompt's events to the client that sent
the prompt, identified by the client's own id, or to all clients if it has none. A connection with another client's id
would take over that client's messages, so this module never opens one. The history API gives the outcome of a prompt.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import trio

from phaseline.reporting import Reporter
from phaseline_cli.client.failures import Exit
from phaseline_cli.watch.foreign import ForeignServer, reason_of
from phaseline_cli.watch.prompts import Prompt
from phaseline_cli.watch.session import NO_LONGER, Contact

__all__ = ["watch_server"]

_ASK_S: Final = 10.0
"""Interval in seconds at which the queue is read without a message about a change."""


async def watch_server(url: str, port: int, reporter: Reporter, *, until_idle: bool) -> Exit:
    """Report the prompts of the server at `url` until the queue is empty, if `until_idle`, else for ever.

    Raises:
        Failure: The address is invalid.
    """
    async with ForeignServer(url, port) as server:
        watching = _Watching(server, reporter)
        contact = Contact(server.where)
        try:
            while True:
                try:
                    await watching.follow(contact, until_idle=until_idle)
                except Exception as error:  # noqa: BLE001 - of several, in a group
                    await contact.lost(reason_of(error))
                else:
                    return Exit.DONE
        except BaseException:
            watching.give_up()
            raise


class _Watching:
    """The prompts of one server."""

    def __init__(self, server: ForeignServer, reporter: Reporter) -> None:
        self._server = server
        self._reporter = reporter
        self._prompts: dict[str, Prompt] = {}
        self._client = f"phaseline-{os.urandom(8).hex()}"

    async def follow(self, contact: Contact, *, until_idle: bool) -> None:
        """Follow the server over one connection, until the queue is empty if `until_idle`."""
        async with self._server.websocket(f"/ws?clientId={self._client}") as websocket:
            await self._ask()
            contact.found()
            while self._prompts or not until_idle:
                with trio.move_on_after(_ASK_S) as waiting:
                    text = await websocket.get_message()
                if waiting.cancelled_caught:
                    await self._ask()
                elif isinstance(text, str):  # else a preview picture
                    await self._take(msgspec.json.decode(text))

    async def _take(self, message: Any) -> None:
        if not isinstance(message, dict) or not isinstance(data := message.get("data"), dict):
            return
        if message.get("type") == "status":
            await self._ask()
        elif (prompt := self._prompts.get(str(data.get("prompt_id")))) is not None:
            prompt.take(str(message.get("type")), data)

    async def _ask(self) -> None:
        """Compare the server's queue with the prompts that are known."""
        answer = await self._server.get("/queue")
        running = _entries(answer, "queue_running")
        pending = sorted(_entries(answer, "queue_pending"), key=lambda entry: entry[0])
        for entry in running:
            self._known(entry).run()
        for ahead, entry in enumerate(pending, len(running)):
            self._known(entry).wait(ahead)
        present = {str(entry[1]) for entry in (*running, *pending)}
        for prompt_id in [prompt_id for prompt_id in self._prompts if prompt_id not in present]:
            history = await self._server.get(f"/history/{prompt_id}")
            found = history.get(prompt_id) if isinstance(history, dict) else None
            self._prompts.pop(prompt_id).end(found if isinstance(found, dict) else None)

    def _known(self, entry: Sequence[Any]) -> Prompt:
        """Return the prompt of an entry of the queue; its job starts when it is new."""
        prompt_id = str(entry[1])
        prompt = self._prompts.get(prompt_id)
        if prompt is None:
            graph = entry[2] if len(entry) > 2 and isinstance(entry[2], Mapping) else {}  # noqa: PLR2004 - the graph
            prompt = self._prompts[prompt_id] = Prompt(self._reporter, prompt_id, graph)
        return prompt

    def give_up(self) -> None:
        """End the jobs without an outcome; their prompts may continue."""
        for prompt in self._prompts.values():
            prompt.cancel(NO_LONGER)


def _entries(answer: Any, key: str) -> list[list[Any]]:
    """Return the entries `[number, prompt id, graph, …]` of one part of the queue."""
    found = answer.get(key) if isinstance(answer, dict) else None
    return [
        entry
        for entry in (found if isinstance(found, list) else ())
        if isinstance(entry, list) and len(entry) > 1 and isinstance(entry[0], int | float)
    ]
