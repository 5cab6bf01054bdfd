"""A subscriber in a separate process, to be suspended: `python stopped_subscriber.py PORT`.

It prints `subscribed`, and at the end, the number of the last message received and the close code.
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
