"""A headless Chromium that opens a page and evaluates JavaScript in it, over the pipe of its DevTools protocol.

No driver and no library: messages are JSON, ended by a null byte, on file descriptors 3 (to it) and 4 (from it).
"""

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Puts two descriptors at 3 and 4 and becomes the browser
START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
SECONDS = 30.0  # until an answer: a busy machine starts it in a few


class Chromium:
    """One page in one browser. `errors` collects what the page logs as errors and exceptions, refused loads included."""

    def __init__(self, binary: str, profile: str):
        to_read, self._to = map(_above, os.pipe())
        self._from, to_write = map(_above, os.pipe())
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "--autoplay-policy=no-user-gesture-required"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(to_read), str(to_write), binary, *flags],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._number = 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self.send("Target.createTarget", {"url": "about:blank"}, page=False)["targetId"]
        attach = {"targetId": target, "flatten": True}
        self._session = self.send("Target.attachToTarget", attach, page=False)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, params: dict | None = None, page: bool = True) -> dict:
        """One command and its answer; what happens meanwhile is kept in `errors` and `requests`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params or {}}
        if page:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while (answer := self._next(deadline)).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def open(self, address: str) -> None:
        """Load a page, to its end."""
        self.send("Page.navigate", {"url": address})
        self.wait("document.readyState === 'complete'")

    def evaluate(self, expression: str):
        """The value of a JavaScript expression; a promise is awaited. An exception fails the test."""
        params = {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        found = self.send("Runtime.evaluate", params)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + SECONDS
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, f"not true after {SECONDS:g} s: {expression}"
            time.sleep(0.05)

    def close(self) -> None:
        os.close(self._to)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._from)

    def _next(self, deadline: float) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no answer of Chromium in {SECONDS:g} s"
            block = os.read(self._from, 1 << 16)
            assert block, "Chromium ended"
            self._buffer += block
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.errors.append(json.dumps(params["args"]))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"][:60])


def _above(descriptor: int) -> int:
    """The descriptor at a number that 3 and 4 do not overwrite."""
    if descriptor > 4:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 5)
    os.close(descriptor)
    return moved


def binary() -> str:
    """Where Chromium is; skips the test, or fails it with SPEECHRNN_REQUIRE_CHROMIUM=1, where it is not."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        assert os.environ.get("SPEECHRNN_REQUIRE_CHROMIUM") != "1", "no Chromium: `apt-get install chromium`"
        pytest.skip("no Chromium")
    return found
