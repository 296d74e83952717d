"""A real JupyterLab on the loopback and a real Chromium that uses it, without anything from elsewhere."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import nbformat

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S, RUNS_WITHIN_MS = 90, 90_000
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# The news of the project would be fetched from the internet, and their notice covers a corner.
_SETTINGS = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False}
}


@dataclass(frozen=True)
class Lab:
    """A running server."""

    address: str
    token: str
    folder: Path

    def end_kernels(self) -> None:
        """End every notebook's kernel."""
        for session in json.loads(self._asked("GET", "sessions")):
            self._asked("DELETE", f"sessions/{session['id']}")

    def _asked(self, method: str, of: str) -> bytes:
        request = Request(f"{self.address}/api/{of}?token={self.token}", method=method)  # noqa: S310  an address of ours
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return bytes(answer.read())


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Yield a server of the notebooks in a folder; it ends with the block, and with this process."""
    token, port = secrets.token_hex(16), _free_port()
    own = {name: folder / ".jupyter" / name for name in ("config", "data", "settings", "workspaces", "runtime")}
    for path in own.values():
        path.mkdir(parents=True)
    for name, settings in _SETTINGS.items():
        path = own["settings"] / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(settings))
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(own["config"]),
        "JUPYTER_DATA_DIR": str(own["data"]),
        "JUPYTER_RUNTIME_DIR": str(own["runtime"]),
        "JUPYTERLAB_SETTINGS_DIR": str(own["settings"]),
        "JUPYTERLAB_WORKSPACES_DIR": str(own["workspaces"]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "OMP_NUM_THREADS": "1",
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"),
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.expose_app_in_browser=True",  # to change its theme as its menu does
    ]
    with (folder / ".jupyter" / "log.txt").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            lab = Lab(f"http://127.0.0.1:{port}", token, folder)
            _wait_for(lab, server)
            yield lab
        finally:
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(lab: Lab, server: subprocess.Popen[bytes]) -> None:
    stops = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < stops:
        if server.poll() is not None:
            break
        try:
            with urlopen(f"{lab.address}/api/status?token={lab.token}", timeout=2):  # noqa: S310  an address of ours
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start: {(lab.folder / '.jupyter' / 'log.txt').read_text()[-2000:]}")


def busy(name):
    """Return a cell that runs until :func:`let_go` is called, or for a minute."""
    waiting = f'all(not pathlib.Path("{name}.done").exists() and not time.sleep(0.05) for _ in range(1200))'
    return f"import pathlib, time\n_ = {waiting}"


def let_go(lab, name):
    """End the cell that :func:`busy` made."""
    (lab.folder / f"{name}.done").touch()


def write_notebook(folder: Path, name: str, cells: list[str]) -> str:
    """Write a notebook of these cells of code, and return its name, which no other test of the folder has."""
    if (folder / name).exists():
        raise AssertionError(f"{name} is another test's notebook, with its labels; give this one a name of its own")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / name)
    return name


@dataclass
class Watched:
    """What a page did that it should not, and how many bytes came over its sockets."""

    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    received: int = 0

    def watch(self, page: Any) -> None:
        """Listen to a page."""
        page.on("pageerror", lambda error: self.errors.append(f"page: {error}"))
        page.on("console", lambda message: message.type == "error" and self.errors.append(f"console: {message.text}"))
        page.on("request", lambda request: self._request(request.url))
        page.on("websocket", lambda socket: socket.on("framereceived", self._frame))

    def _request(self, address: str) -> None:
        if not address.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "about:")):
            self.elsewhere.append(address)

    def _frame(self, payload: Any) -> None:
        self.received += len(payload)


class Notebook:
    """One notebook in one page: runs its cells, and gives the viewer's own numbers."""

    def __init__(self, page: Any, lab: Lab, name: str) -> None:
        self.page = page
        # A loaded machine may be asked for the kernel of a notebook that names it.
        asked = page.locator(".jp-Dialog").filter(has_text="Select Kernel")
        page.add_locator_handler(asked, lambda: asked.locator("button.jp-mod-accept").click())
        page.goto(f"{lab.address}/lab/tree/{name}?token={lab.token}&reset", wait_until="domcontentloaded")
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=RUNS_WITHIN_MS)

    def run(self, number: int) -> str:
        """Run a cell and return the text that it leaves."""
        self.start(number)
        return self.finish(number)

    def start(self, number: int) -> None:
        """Run a cell, and do not wait for its end."""
        editor = self._cell(number).locator(".jp-InputArea-editor")
        prompt = self._cell(number).locator(".jp-InputPrompt")
        before = prompt.text_content()
        for _ in range(5):
            self._refuse_dialogs()
            editor.click()
            self.page.keyboard.press("Control+Enter")
            # The lab drops the key where it still moves the focus: a person would press again.
            for _ in range(20):
                if prompt.text_content() != before:
                    return
                self.page.wait_for_timeout(100)
        raise AssertionError(f"cell {number} does not start; its prompt is {before!r}")

    def _refuse_dialogs(self) -> None:
        for text in self.page.locator(".jp-Dialog").all_inner_texts():
            if "Select Kernel" not in text:
                raise AssertionError(f"the lab asks something: {text!r}")

    def finish(self, number: int) -> str:
        """Wait for a cell to end and return the text that it left."""
        prompt = f".jp-Cell >> nth={number} >> .jp-InputPrompt"
        self.page.wait_for_function(
            "([number]) => /\\[\\d+\\]/.test(document.querySelectorAll('.jp-Cell')[number]"
            ".querySelector('.jp-InputPrompt').textContent)",
            arg=[number],
            timeout=RUNS_WITHIN_MS,
        )
        assert self.page.locator(prompt).count() == 1
        return str("\n".join(self._cell(number).locator(".jp-OutputArea-output pre").all_inner_texts()))

    def viewer(self, number: int = 0) -> "ViewerOnPage":
        """Return a viewer of the page, drawn for the first time."""
        root = self.page.locator(".wk-viewer").nth(number)
        root.wait_for(state="visible", timeout=RUNS_WITHIN_MS)
        self.page.wait_for_function(
            "([number]) => document.querySelectorAll('.wk-viewer')[number].dataset.ready === 'true'",
            arg=[number],
            timeout=RUNS_WITHIN_MS,
        )
        return ViewerOnPage(self.page, root)

    def _cell(self, number: int) -> Any:
        return self.page.locator(".jp-Cell").nth(number)


def use_theme(page: Any, *, dark: bool) -> None:
    """Give the lab its dark or its light theme."""
    name = "JupyterLab Dark" if dark else "JupyterLab Light"
    page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", name)
    page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'", timeout=15_000)


class ViewerOnPage:
    """A viewer as somebody at the screen has it: places of seconds in pixels, keys, and what it shows as numbers."""

    def __init__(self, page: Any, root: Any) -> None:
        self.page, self.root = page, root

    def ask(self, expression: str) -> Any:
        """Return what an expression over the viewer ``v`` gives."""
        return self.root.evaluate(f"(element) => {{ const v = element.wristkit; return {expression}; }}")

    def wait(self, expression: str) -> None:
        """Wait until an expression over the viewer ``v`` is true."""
        handle = self.root.element_handle()
        self.page.wait_for_function(
            f"(element) => {{ const v = element.wristkit; return {expression}; }}", arg=handle, timeout=15_000
        )

    @property
    def view(self) -> tuple[float, float]:
        """Seconds at both ends of what is seen."""
        first, last = self.ask("v.axis.view")
        return first, last

    def place(self, second: float, *, lane: int | None = None) -> tuple[float, float]:
        """Return where a second lies on the page, in a row of labels or in the middle of the panes."""
        self.root.scroll_into_view_if_needed()
        box = self.root.locator(".wk-hit").bounding_box()
        x = self.ask(f"66 + v.axis.x({second!r})")
        y = box["height"] / 2 if lane is None else 2 + 22 * lane + 10
        return box["x"] + x, box["y"] + y

    def drag(self, from_s: float, to_s: float, *, lane: int | None = None, key: str | None = None) -> None:
        """Press at one second, move to another and let go, with a key held."""
        if key:
            self.page.keyboard.down(key)
        self.page.mouse.move(*self.place(from_s, lane=lane))
        self.page.mouse.down()
        end = self.place(to_s, lane=lane)
        for step in range(1, 9):
            x, y = self.place(from_s, lane=lane) if step == 0 else end
            self.page.mouse.move(x, y, steps=2)
        self.page.mouse.up()
        if key:
            self.page.keyboard.up(key)

    def wheel(self, second: float, pixels: float) -> None:
        """Turn the wheel over a second, forward where pixels are negative."""
        self.page.mouse.move(*self.place(second))
        self.page.mouse.wheel(0, pixels)

    def press(self, *keys: str) -> None:
        """Press keys in the viewer, and wait until what they do at once is drawn."""
        self.root.focus()
        for key in keys:
            self.page.keyboard.press(key)
        drawn(self.page)

    def after_edit(self, act: Any) -> None:
        """Do something that edits, and wait until Python's answer is drawn."""
        answered(self.root, "edits", act)


def answered(root: Any, counts: str, act: Any) -> None:
    """Do something that Python answers, and wait until a widget that counts its answers has drawn this one."""
    before = int(root.get_attribute(f"data-{counts}") or 0)
    act()
    root.page.wait_for_function(
        "([element, counts, before]) => Number(element.dataset[counts] || 0) > before",
        arg=[root.element_handle(), counts, before],
        timeout=15_000,
    )
    drawn(root.page)


def drawn(page: Any) -> None:
    """Wait until the page has drawn what it was asked for before this."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def launched(playwright: Any, **options: Any) -> Any:
    """Return the system's own browser."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS), **options)
