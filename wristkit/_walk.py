"""The walk: every notebook run by papermill in a process of its own, and a gallery of what they showed.

A notebook's first code cell is tagged ``parameters`` and holds ``out: str``, the folder for what it writes; its last
cell writes ``metrics.json`` there. The walk gives each notebook ``<out>/<name>`` and afterwards lays beside it the
executed notebook, a static page of it, copies of the ``*.mlpackage`` folders that it made, and ``index.html`` over all.
"""

from __future__ import annotations

import base64
import contextlib
import difflib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from wristkit._environment import ONE_THREAD, SetupError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

_RECORD = "walk.json"  # what the last walk wrote: nothing else is ever replaced
_CELL_TIMEOUT_S = 1200
_START_TIMEOUT_S = 180  # two kernels that start at once on a loaded machine
_BYTES_PER_NOTEBOOK = 3 * 10**9
_PICTURES = {"image/png": "", "image/jpeg": "", "image/svg+xml": "text"}


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How one notebook ended: its wall time, its error and the code cell of it (from 1), and what it made."""

    name: str
    seconds: float
    error: str | None = None
    cell: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    models: Sequence[str] = ()


def walk(notebooks: Path, *, out: Path, names: Sequence[str]) -> int:
    """Run notebooks, write the gallery, and return 0, or 1 if a notebook failed."""
    chosen = find_notebooks(notebooks, names)
    out = out.resolve()
    earlier = _clear(out, None if not names else {path.stem for path in chosen})
    at_once = min(2 if available_bytes() >= 2 * _BYTES_PER_NOTEBOOK else 1, len(chosen))
    print(f"wristkit: {len(chosen)} notebooks, {at_once} at a time, into {_shown(out)}", flush=True)
    ran = dict(earlier)
    with contextlib.closing(_run_all(chosen, out=out, at_once=at_once)) as results:
        for result in results:
            done = _gather(result, out, taken={model for other in ran.values() for model in other.models})
            ran[done.name] = done
            print(f"  {done.name:<36} {'failed' if done.error else 'done'} after {done.seconds:.0f} s", flush=True)
            _write_record(out, ran)
    failed = [ran[path.stem] for path in chosen if ran[path.stem].error]
    _say_how_it_ended(out, failed)
    return 1 if failed else 0


def find_notebooks(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the notebooks of a folder in the order of their names, or those that were asked for."""
    found = {path.stem: path.resolve() for path in sorted(folder.glob("*.ipynb"))} if folder.is_dir() else {}
    if not found:
        raise SetupError(f"there are no notebooks in {folder}", remedy="name their folder by --notebooks DIR")
    for name in names:
        if name.removesuffix(".ipynb") not in found:
            begun = [other for other in found if other.startswith(name)]
            near = begun or difflib.get_close_matches(name, found, n=1, cutoff=0.3) or list(found)
            raise SetupError(f"there is no notebook {name!r} in {folder.name}", remedy=f"did you mean {near[0]}?")
    asked = {name.removesuffix(".ipynb") for name in names}
    return [path for stem, path in found.items() if not asked or stem in asked]


def start(notebook: Path, *, executed: Path, out: Path | None, log: Path) -> subprocess.Popen[bytes]:
    """Start papermill on one notebook, with a process group of its own and one thread, and return the process.

    Where ``out`` is None the notebook's parameters stay its own.
    """
    command = [
        *(sys.executable, "-m", "papermill", str(notebook), str(executed)),
        # relative to the notebook's folder, in which it runs: an executed notebook is shown around, and names no folder
        # of the machine that it ran on
        *(() if out is None else ("--parameters_raw", "out", os.path.relpath(out, notebook.parent))),
        *("--kernel", "python3", "--cwd", str(notebook.parent), "--no-progress-bar"),
        *("--execution-timeout", str(_CELL_TIMEOUT_S), "--start-timeout", str(_START_TIMEOUT_S)),
    ]
    environment = {
        **os.environ,
        **ONE_THREAD,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TQDM_DISABLE": "1",  # a bar in a saved notebook stands still for ever
        # the kernel runs the very package that this command runs
        "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).resolve().parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
    }
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True
        )


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End running notebooks: papermill takes its kernel down when it is interrupted, and is killed if it does not."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def parameter_complaint(notebook: Path) -> str | None:
    """Return why a notebook cannot be told where to write, or None; papermill itself would only log it."""
    import papermill

    known = papermill.inspect_notebook(str(notebook))
    if "out" in known and known["out"]["inferred_type_name"] == "str":
        return None
    return "no parameter `out: str` in a first code cell tagged `parameters`"


def failure(executed: Path, log: Path) -> tuple[str, int | None]:
    """Return the error of a notebook that failed and the number of its code cell, as far as they are known."""
    begun = [cell for cell in _code_cells(executed) if _status(cell) not in {None, "pending"}]
    for output in begun[-1]["outputs"] if begun else ():
        if output["output_type"] == "error":
            return f"{output['ename']}: {output['evalue']}", len(begun)
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "papermill gave no reason", len(begun) or None


def available_bytes() -> int:
    """Return the memory that new processes may take, a container's limit included."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and limit.read_text(encoding="ascii").strip().isdigit():
        free = min(free, int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii")))
    return free


def gallery_page(ran: Sequence[Ran], *, folder: Path) -> str:
    """Return the gallery over executed notebooks in a folder: one card each, pictures inside, everything escaped."""
    template = Template((Path(__file__).parent / "_gallery.html").read_text(encoding="utf-8"))
    models = [model for one in ran for model in one.models]
    failed = sum(one.error is not None for one in ran)
    summary = f"{len(ran)} notebooks in {sum(one.seconds for one in ran):.0f} s" + (
        f", {failed} failed" if failed else ""
    )
    return template.substitute(
        summary=escape(summary),
        cards="\n".join(_card(one, folder) for one in ran),
        models="Core ML models: " + ", ".join(f"<code>{escape(model)}</code>" for model in models) if models else "",
    )


def _run_all(notebooks: Sequence[Path], *, out: Path, at_once: int) -> Generator[Ran]:
    waiting = list(notebooks)
    running: dict[subprocess.Popen[bytes], tuple[Path, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                notebook = waiting.pop(0)
                complaint = parameter_complaint(notebook)
                if complaint is not None:
                    yield Ran(name=notebook.stem, seconds=0.0, error=complaint)
                    continue
                print(f"  {notebook.stem:<36} started", flush=True)
                running[_start_in(out, notebook)] = (notebook, time.monotonic())
            for process in [process for process in running if process.poll() is not None]:
                notebook, began = running.pop(process)
                yield _ended(notebook.stem, out, code=process.returncode, seconds=time.monotonic() - began)
            time.sleep(0.1)
    finally:
        stop(list(running))


def _start_in(out: Path, notebook: Path) -> subprocess.Popen[bytes]:
    name = notebook.stem
    return start(notebook, executed=out / f"{name}.ipynb", out=out / name, log=out / f"{name}.log")


def _ended(name: str, out: Path, *, code: int, seconds: float) -> Ran:
    if code != 0:
        error, cell = failure(out / f"{name}.ipynb", out / f"{name}.log")
        return Ran(name=name, seconds=seconds, error=error, cell=cell)
    (out / f"{name}.log").unlink()
    try:
        metrics = json.loads((out / name / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error  # without the folder
        return Ran(name=name, seconds=seconds, error=f"it left no readable metrics.json in its folder `out`: {said}")
    return Ran(name=name, seconds=seconds, metrics=metrics)


def _gather(ran: Ran, out: Path, *, taken: set[str]) -> Ran:
    """Lay a notebook's models and its static page beside it; a name that is taken gets the notebook's before it."""
    from wristkit._report import report_page

    executed = out / f"{ran.name}.ipynb"
    models: list[str] = []
    for model in sorted((out / ran.name).rglob("*.mlpackage")) if ran.error is None else ():
        name = model.name if model.name not in {*taken, *models} else f"{ran.name}_{model.name}"
        shutil.copytree(model, out / name, dirs_exist_ok=True)
        models.append(name)
    if executed.is_file():
        _forget_folders(executed)
        # the pages lie side by side, as the notebooks do: a link to one leads to its page
        page = re.sub(r'(?<= href=")(\d\d_\w+)\.ipynb(?=")', r"\1.html", report_page(executed).html)
        (out / f"{ran.name}.html").write_text(page, encoding="utf-8")
    return Ran(**{**vars(ran), "models": models})


def _forget_folders(executed: Path) -> None:
    """Take out of an executed notebook where on this machine it ran, which papermill notes down."""
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    for name in ("input_path", "output_path"):
        notebook["metadata"].get("papermill", {}).pop(name, None)
    executed.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _clear(out: Path, names: set[str] | None) -> dict[str, Ran]:
    """Remove what an earlier walk wrote for some notebooks (None: for all), and return the record of the others."""
    if out.is_dir() and any(out.iterdir()) and not (out / _RECORD).is_file():
        raise SetupError(
            f"the folder {out} holds something else than an earlier walk", remedy="name another by --out DIR"
        )
    out.mkdir(parents=True, exist_ok=True)
    record = json.loads((out / _RECORD).read_text(encoding="utf-8")) if (out / _RECORD).is_file() else []
    earlier = {entry["name"]: Ran(**entry) for entry in record}
    for name in set(earlier) if names is None else names & set(earlier):
        old = earlier.pop(name)
        for path in [out / name, *(out / model for model in old.models)]:
            shutil.rmtree(path, ignore_errors=True)
        for suffix in (".ipynb", ".html", ".log"):
            (out / f"{name}{suffix}").unlink(missing_ok=True)
    _write_record(out, earlier)
    return earlier


def _write_record(out: Path, ran: Mapping[str, Ran]) -> None:
    ordered = [ran[name] for name in sorted(ran)]
    metrics = {one.name: one.metrics for one in ordered if one.metrics}
    (out / _RECORD).write_text(json.dumps([asdict(one) for one in ordered], indent=1), encoding="utf-8")
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1), encoding="utf-8")
    (out / "index.html").write_text(gallery_page(ordered, folder=out), encoding="utf-8")


def _say_how_it_ended(out: Path, failed: Sequence[Ran]) -> None:
    for one in failed:
        where = f" in code cell {one.cell}" if one.cell else ""
        print(f"wristkit: {one.name} failed{where}: {' '.join((one.error or '').split())[:400]}", flush=True)
    print(f"wristkit: look at {_shown(out)}/index.html in a browser; models and metrics.json lie beside it")
    print("wristkit: to go on in JupyterLab: python3 -m wristkit lab", flush=True)


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _code_cells(executed: Path) -> list[dict[str, Any]]:
    """Return the code cells that the notebook's author wrote, papermill's own left out."""
    if not executed.is_file():
        return []
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    return [
        cell
        for cell in cells
        if cell["cell_type"] == "code" and "injected-parameters" not in cell["metadata"].get("tags", [])
    ]


def _status(cell: Mapping[str, Any]) -> str | None:
    status = cell["metadata"].get("papermill", {}).get("status")
    return None if status is None else str(status)


def _pictures(executed: Path) -> list[str]:
    """Return the pictures of an executed notebook as data addresses."""
    addresses = []
    for cell in _code_cells(executed):
        for output in cell["outputs"]:
            for kind, how in _PICTURES.items():
                content = "".join(output.get("data", {}).get(kind, ""))
                if content:
                    coded = base64.b64encode(content.encode()).decode() if how == "text" else "".join(content.split())
                    addresses.append(f"data:{kind};base64,{coded}")
                    break
    return addresses


def _heading_and_lead(executed: Path) -> tuple[str | None, str]:
    """Return the first heading of a notebook and the first paragraph below it, as plain text."""
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    text = next((text for text in texts if text.lstrip().startswith("#")), "")
    heading, _, rest = text.strip().partition("\n")
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", rest.strip().partition("\n\n")[0])
    return heading.lstrip("# ").strip() or None, " ".join(re.sub(r"[*`]", "", plain).split())


def _flat(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", f"{value:.4g}" if isinstance(value, float) else str(value)


def _card(ran: Ran, folder: Path) -> str:
    executed, page = folder / f"{ran.name}.ipynb", escape(f"{ran.name}.html")
    heading, lead = _heading_and_lead(executed) if executed.is_file() else (None, "")
    title = escape(heading or ran.name)
    pictures = [
        f'<img src="{escape(address)}" alt="{title}, picture {number}" loading="lazy">'
        for number, address in enumerate(_pictures(executed) if executed.is_file() else [], start=1)
    ]
    cover = f'<a class="cover" href="{page}">{pictures[0]}</a>' if pictures else ""
    strip = f'<div class="strip">{"".join(pictures[1:])}</div>' if pictures[1:] else ""
    where = f"Code cell {ran.cell}: " if ran.cell else ""
    error = f'<p class="error">{escape(where + ran.error)}</p>' if ran.error else ""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _flat(ran.metrics))
    linked = f'<a href="{page}">{title}</a>' if executed.is_file() else title
    return (
        f'<article{" class=failed" if ran.error else ""}>{cover}{strip}<div class="text">'
        f"<h2>{linked}</h2><p>{escape(lead)}</p>{error}<dl>{rows}</dl>"
        f'<div class="foot"><span>{escape(ran.name)}</span><span>{ran.seconds:.0f} s</span></div></div></article>'
    )
