"""Four reporters of servers that share a log. Each sends numbered reports until it is cancelled, and loses none.

Between two reports, or two groups of them, each waits for `pause_s`.
"""

import itertools
import json
import math
import random
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import trio
from trio_websocket import ConnectionClosed, HandshakeError

from phaseline.model.events import JobStarted, PhotoInfo
from phaseline.reporting import Reporter
from tests.bench.cluster_record import Acks
from tests.bench.torture import Producer
from tests.support.listening import Listener, connected
from tests.support.servers import ROOT

__all__ = ["REPORTERS", "report_by_curl", "report_by_lua", "report_by_python", "report_by_websocket"]

REPORTERS = ("websocket", "curl", "lua", "python")
_ANSWER_S = 3  # then a reporter tries the next server
_MOST = 20  # reports at once
_AWAY = {"LOG_UNAVAILABLE", "DEPOSED"}

_LUA = """
package.path = arg[1] .. '/?.lua;' .. package.path
local client = require 'WebSocketClient'
local turn = 2
client.configure { url = arg[turn] }
client.sendJobStart('lua-0', 1, {})
for line in io.lines() do
    client.sendPhotoInfo('lua-0', 1, { number = tonumber(line) })
    while not client.flush(1) do
        turn = turn < #arg and turn + 1 or 2
        client.configure { url = arg[turn] }
    end
    print(line)
    io.stdout:flush()
end
"""


class Rejected(Exception):
    """A report was rejected permanently, which is an error of the server or of the benchmark."""


async def report_by_websocket(urls: Sequence[str], acks: Acks, pause_s: float, chance: random.Random) -> None:
    """Report over `/ws`, with acks."""
    producer = Producer("websocket")
    for url in itertools.cycle(urls):
        try:
            with trio.move_on_after(_ANSWER_S) as connecting:
                async with connected(url) as listener:
                    connecting.deadline = math.inf
                    await _converse(listener, producer, acks, pause_s, chance)
        except* (OSError, HandshakeError, ConnectionClosed, trio.TooSlowError, trio.BrokenResourceError):
            pass
        await trio.sleep(pause_s)


async def _converse(listener: Listener, producer: Producer, acks: Acks, pause_s: float, chance: random.Random) -> None:
    with trio.fail_after(_ANSWER_S):
        await listener.send("register", client_type="torture", acks=True, producer=producer.name)
        await listener.receive("registration_confirmed")
    while True:
        numbers = range(producer.acked + 1, producer.acked + chance.randint(2, _MOST))
        for number in numbers:
            acks.send(producer.name, number)
            await listener.socket.send_message(json.dumps(producer.report(number)))
        while producer.acked < numbers[-1]:
            with trio.fail_after(_ANSWER_S):
                message = await listener.receive()
            if message["type"] == "error" and message["code"] in _AWAY:
                return
            if message["type"] != "ack" or message["producer_seq"] != producer.acked + 1:
                raise Rejected(message)
            producer.acked += 1
            acks.ack(producer.name, producer.acked, message["seq"])
        await trio.sleep(pause_s)


async def report_by_curl(urls: Sequence[str], acks: Acks, pause_s: float, chance: random.Random) -> None:
    """Report batches by `curl`."""
    producer, turn = Producer("curl"), 0
    command = ["curl", "-sS", "-m", str(_ANSWER_S), "-H", "Content-Type: application/json", "--data-binary", "@-"]
    while True:
        numbers = range(producer.acked + 1, producer.acked + chance.randint(2, _MOST))
        for number in numbers:
            acks.send(producer.name, number)
        body = json.dumps([producer.report(number) for number in numbers]).encode()
        url = f"{urls[turn % len(urls)]}/progress/batch"
        done = await trio.run_process(
            [*command, url], stdin=body, capture_stdout=True, stderr=subprocess.DEVNULL, check=False
        )
        if done.returncode or not _accept(json.loads(done.stdout), numbers, producer, acks):
            turn += 1
        await trio.sleep(pause_s)


def _accept(answer: dict[str, Any], numbers: range, producer: Producer, acks: Acks) -> bool:
    """Handle the results of a batch; return whether all of it was recorded."""
    if "results" not in answer:
        if answer["code"] not in _AWAY:
            raise Rejected(answer)
        return False
    for number, result in zip(numbers, answer["results"], strict=True):
        if "seq" not in result:
            if result.get("code") not in _AWAY:
                raise Rejected(result)
            return False
        producer.acked = number
        acks.ack(producer.name, number, result["seq"])
    return True


async def report_by_lua(urls: Sequence[str], acks: Acks, pause_s: float, folder: Path) -> None:
    """Report by the Lua client, which a script runs."""
    script = folder / "reporter.lua"
    script.write_text(_LUA)
    command = ["lua5.1", str(script), str(ROOT / "clients" / "lua"), *urls]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            partial(trio.run_process, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )
        for number in itertools.count(1):
            acks.send("lua", number)
            await process.stdin.send_all(b"%d\n" % number)
            answer = await process.stdout.receive_some()
            if answer != b"%d\n" % number:
                raise Rejected(answer)
            acks.ack("lua", number)
            await trio.sleep(pause_s)


async def report_by_python(urls: Sequence[str], acks: Acks, pause_s: float, folder: Path) -> None:
    """Report by `Reporter`."""
    async with Reporter(",".join(urls), spool_dir=str(folder / "spool"), flush_timeout=0) as reporter:
        reporter.report(JobStarted(job_id="python-0"))
        for first in itertools.count(1, 5):
            for number in range(first, first + 5):
                acks.send("python", number)
                reporter.report(PhotoInfo(job_id="python-0", data={"number": number}))
            while not await reporter.aflush(60):
                pass
            for number in range(first, first + 5):
                acks.ack("python", number)
            await trio.sleep(pause_s)
