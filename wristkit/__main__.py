"""The command line: ``python3 -m wristkit`` and a command, before anything is installed.

Needs the standard library alone and parses on Python 3.8; what runs after the set-up is imported when it runs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

import wristkit
from wristkit import _environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NEEDED = {"walk": (), "test": ("test",), "lab": (), "data": (), "label": (), "report": ()}
_SELECTIONS = {
    "fast": ["-n", "2", "--dist", "worksteal", "-m", "not slow and not benchmark"],
    "all": ["-n", "2", "--dist", "worksteal", "-m", "not benchmark"],
    "benchmarks": ["tests/benchmarks", "-n", "0", "-s", "-m", "benchmark"],
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; what ``test`` and ``lab`` do not know goes on to pytest and JupyterLab."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--no-setup", action="store_true", help="use this Python as it is; make and install nothing")
    top = argparse.ArgumentParser(
        prog="python3 -m wristkit",
        description="From a raw wrist recording to a checked Core ML model, in notebooks.",
        epilog="In a checkout the first command makes .venv and installs into it; the next one starts at once.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"wristkit {wristkit.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    walk = commands.add_parser(
        "walk", help="run the notebooks and gather what they make", parents=[common], allow_abbrev=False
    )
    walk.add_argument("names", nargs="*", metavar="NAME", help="notebooks to run, such as 00_tour; all by default")
    walk.add_argument("--notebooks", type=Path, metavar="DIR", help="folder of notebooks (notebooks/)")
    walk.add_argument("--out", type=Path, metavar="DIR", help="folder to write (runs/walk)")

    test = commands.add_parser(
        "test",
        help="run the tests",
        usage="%(prog)s [--fast | --all | --benchmarks] [pytest arguments]",
        parents=[common],
        allow_abbrev=False,
    )
    which = test.add_mutually_exclusive_group()
    for name, text in (
        ("fast", "what CI runs, notebooks included (the default)"),
        ("all", "also long fuzzing, soaking and sanitizers"),
        ("benchmarks", "ratios against peers, in one table"),
    ):
        which.add_argument(f"--{name}", dest="selection", action="store_const", const=name, default="fast", help=text)

    commands.add_parser(
        "lab",
        help="open the notebooks in JupyterLab",
        usage="%(prog)s [JupyterLab's arguments]",
        parents=[common],
        allow_abbrev=False,
    )

    label = commands.add_parser(
        "label", help="open a recording to be labelled in JupyterLab", parents=[common], allow_abbrev=False
    )
    label.add_argument("file", type=Path, metavar="FILE", help="any file or folder that wk.load reads")
    label.add_argument("--write-only", action="store_true", help="write the notebook beside FILE, and open nothing")

    report = commands.add_parser(
        "report",
        help="write an executed notebook as one page that needs no network",
        parents=[common],
        allow_abbrev=False,
    )
    report.add_argument("notebook", type=Path, metavar="NOTEBOOK", help="an .ipynb file with its outputs")
    report.add_argument("--run", action="store_true", help="run a copy of it first; the notebook stays as it is")
    report.add_argument("--out", type=Path, metavar="FILE", help="file to write (NOTEBOOK with .html)")

    data = commands.add_parser(
        "data", help="list public sets of recordings, download and check them", parents=[common], allow_abbrev=False
    )
    data.add_argument("name", nargs="?", metavar="NAME", help="set to describe; without it all are listed")
    what = data.add_mutually_exclusive_group()
    what.add_argument("--fetch", action="store_true", help="download NAME into a folder of its name")
    what.add_argument("--verify", action="store_true", help="hold the files of NAME against the hashes that are known")
    data.add_argument("--folder", type=Path, metavar="DIR", help="folder of the sets (runs/data)")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 something failed, 2 it cannot run here, 130 stopped."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        _environment.check_oldest(sys.version_info[:3])
        return _run(arguments)
    except _environment.SetupError as error:
        print(f"wristkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nwristkit: stopped; the same command goes on or starts again", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    top = parser()
    options, rest = top.parse_known_args(arguments)
    if rest and options.command not in {"test", "lab"}:
        top.error(f"unknown arguments: {' '.join(rest)}")
    if options.command is None:
        top.print_help()
        return 0
    root = _environment.checkout()
    if root is not None and not options.no_setup:
        python = _environment.ready_python(root, needed=_NEEDED[options.command])
        if python != Path(sys.executable):
            again = [str(python), "-m", "wristkit", options.command, "--no-setup", *arguments[1:]]
            _become(again, folder=Path.cwd(), environment=os.environ)
    if options.command == "walk":
        return _walk(root, options)
    if options.command == "data":
        return _data(root, options)
    if options.command == "label":
        return _label(options.file, write_only=options.write_only)
    if options.command == "report":
        from wristkit._report import report

        return report(options.notebook, out=options.out, run=options.run)
    return _test(root, options.selection, rest) if options.command == "test" else _lab(root, rest)


def _become(command: list[str], *, folder: Path, environment: Mapping[str, str]) -> NoReturn:
    """Go on as another program in this process: its exit code and its signals need no passing on."""
    sys.stdout.flush()
    os.chdir(folder)
    os.execve(command[0], command, environment)  # noqa: S606  no shell is wanted


def _walk(root: Path | None, options: argparse.Namespace) -> int:
    from wristkit._walk import walk

    base = Path.cwd() if root is None else root
    notebooks = options.notebooks or (base if root is None else base / "notebooks")
    return walk(notebooks, out=options.out or base / "runs" / "walk", names=options.names)


def _data(root: Path | None, options: argparse.Namespace) -> int:
    from wristkit.datasets import described, fetch, listed, public_set, verify

    if options.name is None:
        print(listed())
        return 0
    folder = options.folder or (Path.cwd() if root is None else root) / "runs" / "data"
    try:
        one = public_set(options.name)
        if options.fetch:
            print(fetch(one.name, folder))
        elif options.verify:
            states = verify(one.name, folder / one.name).groupby("state")["file"]
            print(*(f"{state}: {len(files)}" for state, files in states), sep="\n")
            wrong = [file for state, files in states if state in {"changed", "damaged"} for file in files]
            print(*wrong, sep="\n", end="\n" if wrong else "")
            return int(bool(wrong))
        else:
            print(described(one))
    except (ValueError, FileNotFoundError) as error:  # what the library raises says what to do
        print(f"wristkit: {error}", file=sys.stderr)
        return 1
    return 0


def _test(root: Path | None, selection: str, pytest_arguments: list[str]) -> NoReturn:
    if root is None:
        raise _environment.SetupError(
            "the tests are not part of the installed package", remedy="clone the project and run this in the checkout"
        )
    command = [sys.executable, "-m", "pytest", *_SELECTIONS[selection], *pytest_arguments]
    _become(command, folder=root, environment={**os.environ, **_environment.ONE_THREAD})


def _label(file: Path, *, write_only: bool) -> int:
    from wristkit._label import label_notebook

    if not file.exists():
        print(f"wristkit: there is no file {file}; give one that wk.load reads", file=sys.stderr)
        return 1
    notebook = label_notebook(file.resolve())
    print(notebook)
    return 0 if write_only else _open_lab(notebook.parent, [f"--LabApp.default_url=/lab/tree/{quote(notebook.name)}"])


def _lab(root: Path | None, lab_arguments: list[str]) -> NoReturn:
    folder = Path.cwd() if root is None else root / "notebooks"
    if not folder.is_dir():
        raise _environment.SetupError(f"there is no folder {folder}", remedy="get the checkout's notebooks back")
    _open_lab(folder, lab_arguments)


def _open_lab(folder: Path, lab_arguments: list[str]) -> NoReturn:
    command = [
        *(sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *lab_arguments,
    ]
    _become(command, folder=folder, environment=os.environ)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
