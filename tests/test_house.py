"""The rules of the house: who imports whom, what an import costs, what a notebook and the README look like."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import wristkit
from wristkit import __main__ as command_line

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wristkit"
# The order of import: a room imports only rooms before it.
ROOMS = (
    *("errors", "recording", "store", "filters", "signals", "audio", "fusion", "condition", "load", "simulate"),
    *("datasets", "events", "windows", "evaluate", "features", "models", "detector", "train", "validate", "export"),
    *("recipes", "view"),
)
PICTURES = {"ipywidgets", "matplotlib", "mpl_toolkits", "seaborn", "anywidget"}
USED_WHERE = {"coremltools", "tsfresh"}  # imported in the functions that use them, never at the top of a file
WITHOUT_TORCH = ROOMS[: ROOMS.index("models")]
TOP_LEVEL = {
    *("pyproject.toml", "README.md", "notebooks", "wristkit", "data_samples", "tests"),
    *("LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "constraints.txt", ".gitignore", ".ci", ".pre-commit-config.yaml"),
}
FILES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
name_of = {"ids": lambda path: str(path.relative_to(ROOT))}


def room_of(path):
    """Return the room of a file: the first folder or file name below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree, *, package):
    """Yield the dotted name of everything that a file imports, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def asks_only_for_the_version(tree):
    """Return whether a file that imports the package itself takes nothing but its version from it."""
    plain = {alias.asname for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    taken = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return "wk" not in plain and {name for name in taken if re.match(r"wristkit\.\w", name)} <= {"wristkit.__version__"}


def wrong_imports(source, *, room, package=("wristkit",)):
    """Return the imports of a file that its room may not make."""
    wrong, tree = [], ast.parse(source)
    for name in imported(tree, package=list(package)):
        top, *rest = name.split(".")
        if top == "wristkit":
            other = rest[0] if rest else "wristkit"
            if other == room or (other in ROOMS and room in ROOMS and ROOMS.index(other) < ROOMS.index(room)):
                continue
            if room in ROOMS and not (other in {"wristkit", "__version__"} and asks_only_for_the_version(tree)):
                wrong.append(name)
        elif (top in PICTURES and room != "view") or (top == "torch" and room == "view"):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("path", [path for path in FILES if path != PACKAGE / "__init__.py"], **name_of)
def test_a_room_imports_only_rooms_above_it(path):
    assert room_of(path) in ROOMS or room_of(path).startswith("_"), "a room that the design does not know"
    package = ["wristkit", *path.relative_to(PACKAGE).parts[:-1]]
    assert wrong_imports(path.read_text(), room=room_of(path), package=package) == []


@pytest.mark.parametrize(
    ("source", "room"),
    [
        ("from wristkit.view import draw", "train"),
        ("def f():\n    import wristkit.detector", "events"),
        ("from wristkit import windows", "filters"),
        ("from . import view", "store"),
        ("import wristkit as wk", "store"),
        ("import wristkit\nwristkit.view(1)", "store"),
        ("from matplotlib import pyplot", "evaluate"),
        ("def f():\n    import torch", "view"),
    ],
)
def test_the_check_of_imports_finds_wrong_ones(source, room):
    assert wrong_imports(source, room=room)


def test_the_check_of_imports_lets_right_ones_pass():
    assert wrong_imports("from wristkit.errors import RecordingError\nimport numpy", room="recording") == []
    assert wrong_imports("from .coreml import convert", room="export", package=("wristkit", "export")) == []
    assert wrong_imports("import wristkit\nwristkit.__version__", room="export") == []
    assert wrong_imports("from wristkit import __version__", room="export") == []
    assert wrong_imports("from matplotlib.figure import Figure\nfrom wristkit import evaluate", room="view") == []


@pytest.mark.parametrize("path", FILES, **name_of)
def test_slow_libraries_are_imported_where_they_are_used(path):
    at_import = ast.Module([node for node in ast.parse(path.read_text()).body if not isinstance(node, ast.If)], [])
    tops = [node for node in at_import.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {name.split(".")[0] for name in imported(ast.Module(tops, []), package=["wristkit"])}
    assert names & USED_WHERE == set()


def loaded_by(code):
    """Return the modules that a line loads in a fresh Python, besides those that are there anyway."""
    script = f"import sys; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_the_standard_library_alone():
    loaded = loaded_by("import wristkit")
    assert "wristkit" in loaded
    assert {name for name in loaded if name.split(".")[0] not in {*sys.stdlib_module_names, "wristkit"}} == set()
    assert {name for name in loaded if name.startswith("wristkit.")} == set()


def test_the_command_line_loads_the_standard_library_alone():
    loaded = loaded_by("import wristkit.__main__")
    assert {name for name in loaded if name.split(".")[0] not in {*sys.stdlib_module_names, "wristkit"}} == set()


def test_rooms_before_the_models_load_neither_torch_nor_pictures():
    rooms = [room for room in WITHOUT_TORCH if list(PACKAGE.glob(f"{room}.py")) or (PACKAGE / room).is_dir()]
    assert "recording" in rooms
    loaded = {name.split(".")[0] for name in loaded_by("import " + ", ".join(f"wristkit.{room}" for room in rooms))}
    assert loaded & {"torch", *USED_WHERE, *PICTURES} == set()


def test_the_view_does_not_load_torch():
    loaded = {name.split(".")[0] for name in loaded_by("import wristkit.view")}
    assert loaded & {"torch", *USED_WHERE} == set()


@pytest.mark.parametrize("name", sorted(wristkit._ROOM_OF))
def test_every_public_name_resolves(name):
    assert getattr(wristkit, name).__name__ == name


def names_called(tree):
    """Yield the dotted name of every call, as far as it has one."""
    yield from (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


def imports_of(tree, package):
    """Yield every statement that imports from a package."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if package in {name.split(".")[0] for name in names}:
            yield node


def unsafe(source):
    """Return what a file does that lets data run as code: pickle, eval, a shell."""
    tree = ast.parse(source)
    modules = {name.split(".")[0] for name in imported(tree, package=["wristkit"])}
    keywords = {
        (keyword.arg, keyword.value.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if isinstance(keyword.value, ast.Constant)
    }
    # Processes that joblib starts get what this one has; only its files could come from somebody else.
    processes = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and {alias.name for alias in node.names} <= {"Parallel", "delayed", "get_reusable_executor"}
    }
    from_joblib = {ast.unparse(node) for node in imports_of(tree, "joblib")} - processes
    return [
        *sorted(from_joblib),
        *sorted(modules & {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}),
        *sorted({*names_called(tree)} & {"eval", "exec", "os.system", "os.popen", "torch.load", "pd.read_pickle"}),
        *sorted(f"{k}={v}" for k, v in keywords & {("shell", True), ("allow_pickle", True), ("weights_only", False)}),
    ]


@pytest.mark.parametrize("path", FILES, **name_of)
def test_no_data_runs_as_code(path):
    assert unsafe(path.read_text()) == []


@pytest.mark.parametrize(
    "source", ["import pickle", "eval('1')", "f(shell=True)", "np.load(p, allow_pickle=True)", "torch.load(p)"]
)
def test_the_check_for_unsafe_calls_finds_them(source):
    assert unsafe(source)


def may_talk(path):
    """Return whether a file is a command line or a helper of the one at the top."""
    return path.name == "__main__.py" or (path.parent == PACKAGE and re.match(r"_[a-z]", path.name))


@pytest.mark.parametrize("path", [path for path in FILES if not may_talk(path)], **name_of)
def test_the_library_does_not_print(path):
    assert "print" not in names_called(ast.parse(path.read_text()))


def tracked():
    """Return the files that are, or would be, in the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so what belongs to the project is not known")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_nothing_else_stands_at_the_top():
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} - TOP_LEVEL == set()


def test_no_file_names_a_folder_of_one_machine():
    pattern = re.compile(rb"/" + rb"(?:home|root|Users)/\w")
    binary = {".npy", ".png", ".flac", ".wav", ".safetensors", ".parquet"}
    texts = [path for path in tracked() if path.suffix not in binary]
    assert [str(path.relative_to(ROOT)) for path in texts if pattern.search(path.read_bytes())] == []


def complaints(notebook):
    """Return what breaks the rules for notebooks, as a list of words."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in code]
    found = []
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        found.append("kernel")
    if "widgets" in notebook["metadata"] or "papermill" in notebook["metadata"]:
        found.append("stored state")
    if any(cell["outputs"] or cell["execution_count"] is not None for cell in code):
        found.append("outputs")
    if len(code) > 25:
        found.append("too many cells")
    if any(len(source.splitlines()) > 15 for source in sources):
        found.append("long cell")
    if any(re.search(r"['\"](?:/\w|~/|[A-Z]:\\)", source) for source in sources):
        found.append("absolute path")
    if any(re.search(r"pip\s+install|^[!%]", source, re.MULTILINE) for source in sources):
        found.append("install or magic")
    return [*found, *first_cell_complaints(code, sources), *last_cell_complaints(sources)]


def first_cell_complaints(code, sources):
    """Return what is wrong with the cell of parameters."""
    if not code or "parameters" not in code[0]["metadata"].get("tags", []):
        return ["no parameters"]
    lines = [line for line in sources[0].splitlines() if line.strip() and not line.startswith("#")]
    plain = [line for line in lines if not re.fullmatch(r"\w+: [\w\[\], |]+ = .+  # .+", line)]
    out = any(line.startswith("out: str = ") for line in lines)
    return [*(["parameter without type or comment"] if plain else []), *([] if out else ["no parameter out"])]


def last_cell_complaints(sources):
    """Return what is wrong with the closing cell."""
    last = sources[-1] if sources else ""
    return [*([] if "assert " in last else ["no assert"]), *([] if "metrics.json" in last else ["no metrics.json"])]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_clean(path):
    assert complaints(json.loads(path.read_text())) == []


def links_of(path):
    """Return where the prose of a notebook leads to."""
    prose = [cell["source"] for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "markdown"]
    return re.findall(r"\]\(([^)\s]+)\)", "".join(line for source in prose for line in source))


def test_the_notebooks_are_one_book():
    leads = {path.name: links_of(path) for path in NOTEBOOKS}
    for one, other in pairwise(leads):
        assert other in leads[one], one
        assert one in leads[other], other
    page = (ROOT / "README.md").read_text()
    assert [name for name in leads if f"(notebooks/{name})" not in page] == []
    known = {*leads, *(link for links in leads.values() for link in links if link.startswith("https://"))}
    assert {link for links in leads.values() for link in links} <= known


def notebook(*sources, metadata=None, **cell):
    kernel = {"kernelspec": {"name": "python3"}, **(metadata or {})}
    shared = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**shared, "source": source} for source in sources]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    cells[-1].update(cell)
    return {"metadata": kernel, "cells": cells}


FIRST = 'seed: int = 0  # of everything\nout: str = "../runs/x"  # folder for what this notebook writes'
LAST = 'assert seed == 0\n(folder / "metrics.json").write_text("{}")'


def test_a_good_notebook_gives_no_complaint():
    assert complaints(notebook(FIRST, "1", LAST)) == []


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (notebook(FIRST, LAST, metadata={"kernelspec": {"name": "mine"}}), "kernel"),
        (notebook(FIRST, LAST, metadata={"widgets": {}}), "stored state"),
        (notebook(FIRST, LAST, execution_count=3), "outputs"),
        (notebook(FIRST, LAST, outputs=[{}]), "outputs"),
        (notebook(FIRST, *["1"] * 25, LAST), "too many cells"),
        (notebook(FIRST, "1\n" * 16, LAST), "long cell"),
        (notebook(FIRST, 'open("/data/a.csv")', LAST), "absolute path"),
        (notebook(FIRST, "%matplotlib inline", LAST), "install or magic"),
        (notebook(FIRST, "import os\n!pip install x", LAST), "install or magic"),
        (notebook(FIRST, LAST, metadata={}) | {"cells": notebook(FIRST, LAST)["cells"][1:]}, "no parameters"),
        (notebook("seed = 0\n" + FIRST, LAST), "parameter without type or comment"),
        (notebook("seed: int = 0  # of everything", LAST), "no parameter out"),
        (notebook(FIRST, "metrics.json"), "no assert"),
        (notebook(FIRST, "assert True"), "no metrics.json"),
    ],
)
def test_the_check_of_notebooks_finds_what_is_wrong(bad, complaint):
    assert complaint in complaints(bad)


def blocks(kind):
    """Return the README's code blocks of one kind."""
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_every_command_of_the_readme_exists(capsys):
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"python3 -m wristkit(?!\.)\b([^`\n#]*)", text)
    assert any(command.split()[:1] == ["walk"] for command in commands)
    assert any(command.split()[:1] == ["test"] for command in commands)
    for command in commands:
        options, rest = command_line.parser().parse_known_args(shlex.split(command))
        assert not rest or options.command in {"test", "lab"}, command
    for room in re.findall(r"python3 -m wristkit\.(\w+)", text):
        assert (PACKAGE / room / "__main__.py").is_file(), room


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit):
        command_line.parser().parse_known_args(["fly"])
    assert "invalid choice" in capsys.readouterr().err


def test_the_code_of_the_readme_runs(tmp_path):
    code = "\n".join(blocks("python"))
    assert "import wristkit as wk" in code
    (tmp_path / "readme.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "readme.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
