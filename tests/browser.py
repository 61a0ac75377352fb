"""A headless Chromium for tests, steered by chromedriver over its HTTP protocol (W3C WebDriver)."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

DRIVER = shutil.which("chromedriver")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

KEYS = {"ArrowDown": "\ue015", "ArrowUp": "\ue013", "ArrowLeft": "\ue012", "ArrowRight": "\ue014"}
KEYS |= {"Enter": "\ue007", "Escape": "\ue00c", "Home": "\ue011", "Tab": "\ue004"}


class Browser:
    """One window."""

    def __init__(self, port: int, folder: str):
        self.root = f"http://127.0.0.1:{port}"
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        arguments += [
            f"--user-data-dir={folder}",
            "--disable-background-networking",
            "--disable-component-update",
        ]
        options = {"binary": CHROMIUM, "args": arguments}
        always = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": always}})
        self.root += f"/session/{made['sessionId']}"

    def _ask(self, method: str, path: str, content: Any = None) -> Any:
        data = None if method == "GET" else json.dumps(content or {}).encode()
        request = urllib.request.Request(
            self.root + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with self.opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, address: str) -> None:
        self._ask("POST", "/url", {"url": address})

    def run(self, script: str, *args: Any) -> Any:
        """What a function body in JavaScript returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": args})

    def wait(self, script: str, seconds: float = 30.0) -> Any:
        """Until an expression is true."""
        end = time.monotonic() + seconds
        while not (found := self.run(f"return {script}")):
            assert time.monotonic() < end, f"waited in vain for {script}; the console says {self.console()}"
            time.sleep(0.05)
        return found

    def size(self, width: int, height: int) -> None:
        self._ask("POST", "/window/rect", {"width": width, "height": height})

    def click(self, selector: str, count: int = 1) -> None:
        """With the mouse, in the middle of an element."""
        find = "const b = document.querySelector(arguments[0]).getBoundingClientRect();"
        x, y = self.run(
            f"{find} return [Math.round(b.x + b.width / 2), Math.round(b.y + b.height / 2)]", selector
        )
        press = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}] * count
        self._act("pointer", [{"type": "pointerMove", "duration": 0, "x": x, "y": y}, *press])

    def drag(self, x: int, y: int, dx: int, dy: int) -> None:
        move = {"type": "pointerMove", "duration": 20}
        down, up = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        self._act("pointer", [{**move, "x": x, "y": y}, down, {**move, "x": x + dx, "y": y + dy}, up])

    def scroll(self, x: int, y: int, amount: int) -> None:
        self._act("wheel", [{"type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": amount}])

    def type(self, *keys: str) -> None:
        """Keys by name, or text."""
        letters = [letter for key in keys for letter in (KEYS.get(key) or key)]
        self._act("key", [{"type": kind, "value": key} for key in letters for kind in ("keyDown", "keyUp")])

    def _act(self, kind: str, actions: list[dict[str, Any]]) -> None:
        self._ask("POST", "/actions", {"actions": [{"type": kind, "id": kind, "actions": actions}]})

    def screenshot(self) -> bytes:
        return base64.b64decode(self._ask("GET", "/screenshot"))

    def console(self) -> list[str]:
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A window of a browser of its own, which ends with it."""
    assert DRIVER is not None
    driver = subprocess.Popen(
        [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert driver.stdout is not None
        port = next(int(line.split()[-1].rstrip(".")) for line in driver.stdout if "successfully" in line)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            window = Browser(port, folder)
            try:
                yield window
            finally:
                window._ask("DELETE", "")
    finally:
        driver.terminate()
        driver.wait()
        driver.stdout.close()
