"""A subscriber in a process of its own, to be stopped: `python stopped_subscriber.py PORT`.

It says `subscribed`, and in the end the number of the last message that it got, and the code it was closed with.
"""

import json
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

last = 0
with connect(f"ws://127.0.0.1:{sys.argv[1]}/ws", compression=None, ping_interval=None, open_timeout=60) as socket:
    socket.send(json.dumps({"type": "subscribe", "channels": ["jobs"]}))
    try:
        while True:
            message = json.loads(socket.recv())
            if message["type"] == "subscription_confirmed":
                print("subscribed", flush=True)
            last = message.get("seq", last)
    except ConnectionClosed as closed:
        print(last, closed.rcvd.code if closed.rcvd else 0, flush=True)
