"""HTTP requests over the connections of the view."""

import socket
import threading

from phaseline_tui.link import Links
from phaseline_tui.model.address import ServerAddress
from tests.support.tui_links import NEVER_AGAIN, Recorder


class _LateServer:
    """Answers each HTTP request once `release` is set; it knows no WebSockets."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.release = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            if b"/wanted" in client.recv(65536):
                self.asked.release()
                assert self.release.wait(60)
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")

    def close(self) -> None:
        self._listener.close()


def test_a_request_whose_caller_gave_up_does_not_end_the_connections() -> None:
    server = _LateServer()
    recorder = Recorder()
    links = Links([ServerAddress.parse(server.url)], recorder.deliver, NEVER_AGAIN)
    label = "127.0.0.1"
    links.start()
    try:
        recorder.wait(lambda: bool(recorder.statuses))  # the thread runs
        given_up = links.request(label, "GET", "/wanted")
        assert server.asked.acquire(timeout=60)
        given_up.cancel()
        server.release.set()
        assert links.request(label, "GET", "/wanted").result(60).status == 404
        assert links.request(label, "GET", "/wanted").result(60).status == 404
    finally:
        links.stop()
        server.close()
