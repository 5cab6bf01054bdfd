"""The servers that the fan-out benchmark compares, each a program: `python fanout_servers.py NAME`.

Each prints its port, and then takes lines from stdin: `publish N JOINED SIZE BURST` has it send N messages of SIZE
bytes to all subscribers, JOINED of them at a time, with a pause of PAUSE_S after each BURST; the answer is `done`.
`fill` (only our server) fills the sockets of the clients that subscribe to `job:fill` and do not read.
"""

import asyncio
import os
import select
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import msgspec
import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve
from quart import Response, websocket
from quart_trio import QuartTrio

from phaseline.stream import JOBS, Message
from phaseline_server.config.settings import Settings
from phaseline_server.fanout.frames import text_frame
from phaseline_server.pictures import helpers
from phaseline_server.runtime.server import serve, tune_interpreter

PAUSE_S = 0.001
"""Between bursts, lest they outrun the clients where these lack a core, and what is measured be full sockets."""


def command(line: bytes) -> tuple[int, int, int, bytes]:
    """Return how many messages a line asks for, how many at a time and between two pauses, and their payload."""
    _, count, joined, size, burst = line.split()
    return int(count), int(joined), int(burst), b'{"x":"' + b"x" * (int(size) - 8) + b'"}'


async def phaseline() -> None:
    """Our server."""
    tune_interpreter()
    with tempfile.TemporaryDirectory() as data_dir:
        settings = Settings(bind=("127.0.0.1:0",), data_dir=data_dir, queue=100_000)
        async with trio.open_nursery() as nursery:
            [url] = await nursery.start(lambda task_status: serve(settings, task_status=task_status))
            print(url.rpartition(":")[2], flush=True)
            await take_commands()
            nursery.cancel_scope.cancel()


async def take_commands() -> None:
    """Publish through the broadcaster, as the log does once messages are stored."""
    broadcaster = helpers._running[-1][1].log._broadcaster
    channels = frozenset({JOBS, "job:x"})
    async for line in trio.lowlevel.FdStream(os.dup(0)):
        if line == b"fill\n":
            fill = Message(1, "x", "fill", frozenset({"job:fill"}), b'"%b"' % (b"x" * 60_000))
            while not broadcaster.statistics().queued:
                broadcaster.publish(fill)
                await trio.lowlevel.checkpoint()
            for _ in range(3):  # and those whose sockets accept a little more
                broadcaster.publish(fill)
            print("done", flush=True)
            continue
        count, joined, burst, payload = command(bytes(line))
        for first in range(1, count + 1, joined):
            broadcaster.publish(*[Message(first + n, "x", "x", channels, payload) for n in range(joined)])
            if first % burst == 0:
                await trio.sleep(PAUSE_S)
        while broadcaster.statistics().queued:  # noqa: ASYNC110 (no event for this)
            await trio.sleep(0.005)
        print("done", flush=True)


async def quart_server() -> None:
    """A plain Quart app under stock hypercorn: a memory channel for each client, a document for each GET."""
    app = QuartTrio(__name__)
    clients: set[trio.MemorySendChannel[str]] = set()
    job = {"success": True, "job_status": {"job_id": "bench", "stages": [{"name": f"stage {n}"} for n in range(8)]}}

    @app.get("/progress/job/bench")
    async def snapshot() -> Response:
        return Response(msgspec.json.encode(job), content_type="application/json")

    @app.websocket("/ws")
    async def ws() -> None:
        send, receive = trio.open_memory_channel[str](100_000)
        clients.add(send)

        async def confirm() -> None:
            while True:
                await websocket.receive()
                await send.send('{"type":"subscription_confirmed"}')

        try:
            await websocket.accept()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(confirm)
                async for message in receive:
                    await websocket.send(message)
        finally:
            clients.discard(send)

    config = Config()
    config.accesslog = config.errorlog = None
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        config.bind = [f"fd://{os.dup(listener.fileno())}"]
        print(listener.getsockname()[1], flush=True)
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(hypercorn_serve, app, config, shutdown_trigger=trio.sleep_forever))
            async for line in trio.lowlevel.FdStream(os.dup(0)):
                count, _, burst, payload = command(bytes(line))
                for n in range(1, count + 1):
                    for client in clients:
                        client.send_nowait(payload.decode())
                    if n % burst == 0:
                        await trio.sleep(PAUSE_S)
                print("done", flush=True)
            nursery.cancel_scope.cancel()


def floor() -> None:
    """Only writes: the frame and all sockets are ready."""
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        print(listener.getsockname()[1], flush=True)
        poll = select.epoll()
        poll.register(listener, select.EPOLLIN)
        poll.register(0, select.EPOLLIN)
        while True:
            for number, _ in poll.poll():
                if number == listener.fileno():
                    client, _ = listener.accept()
                    client.recv(65536)
                    client.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    poll.register(client, select.EPOLLIN | select.EPOLLONESHOT)
                    clients.append(client)
                elif number:
                    continue  # one that leaves
                elif line := sys.stdin.buffer.readline():
                    count, _, burst, payload = command(line)
                    frame, numbers = text_frame(payload), [client.fileno() for client in clients]
                    for n in range(1, count + 1):
                        for each in numbers:
                            os.write(each, frame)
                        if n % burst == 0:
                            time.sleep(PAUSE_S)
                    print("done", flush=True)
                    clients = []  # they leave now
                else:
                    return


async def take_lines(publish: Callable[[bytes], None]) -> None:
    """Make an asyncio server publish as stdin asks; it can't join frames itself."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        count, _, burst, payload = command(line)
        for n in range(1, count + 1):
            publish(payload)
            if n % burst == 0:
                await asyncio.sleep(PAUSE_S)
        print("done", flush=True)


async def websockets_server() -> None:
    """`websockets.broadcast`, without compression."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve  # noqa: PLC0415

    clients: set[ServerConnection] = set()

    async def handle(connection: ServerConnection) -> None:
        clients.add(connection)
        await connection.wait_closed()
        clients.discard(connection)

    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await take_lines(lambda payload: broadcast(clients, payload.decode()))


async def picows_server() -> None:
    """picows: a frame is written to each transport."""
    from picows import WSListener, WSMsgType, WSTransport, ws_create_server  # noqa: PLC0415

    clients: set[WSTransport] = set()

    class Client(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            clients.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            clients.discard(transport)

    def publish(payload: bytes) -> None:
        for client in clients:
            client.send(WSMsgType.TEXT, payload)

    server = await ws_create_server(lambda _: Client(), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await take_lines(publish)


NODE = """
const {WebSocketServer} = require("ws")
const server = new WebSocketServer({port: 0, host: "127.0.0.1", perMessageDeflate: false})
server.on("listening", () => console.log(server.address().port))
const next = () => new Promise(resolve => setTimeout(resolve, 1))
require("readline").createInterface({input: process.stdin}).on("line", async line => {
  const [, count, , size, burst] = line.split(" ").map(Number)
  const payload = Buffer.from('{"x":"' + "x".repeat(size - 8) + '"}')
  for (let n = 1; n <= count; n++) {
    for (const client of server.clients) client.send(payload, {binary: false})
    if (n % burst == 0) await next()
  }
  console.log("done")
}).on("close", () => process.exit())
"""

if __name__ == "__main__":
    name = sys.argv[1]
    if name in {"phaseline", "quart"}:
        trio.run(phaseline if name == "phaseline" else quart_server)
    elif name == "floor":
        floor()
    else:
        asyncio.run({"websockets": websockets_server, "picows": picows_server}[name]())
