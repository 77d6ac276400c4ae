"""The examples: their form, their list, and the notebooks that they become.

That each runs is shown by `make check`, which runs them all with `--quick`.
"""

import importlib
import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest

# The extra `examples`.
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("matplotlib")

EXAMPLES = pathlib.Path(__file__).parents[1] / "keras_examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
TOOL = EXAMPLES / "tools" / "notebook.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("notebook", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_becomes_a_notebook(tool, script, tmp_path):
    notebook = tool.notebook(script, tmp_path)
    nbformat.validate(notebook)
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert texts[0].startswith("# ")
    # Sections, of which one is the introduction.
    assert sum(text.startswith("## ") for text in texts) >= 3
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, str(script), "exec")


def test_a_header_without_its_fields_is_refused(tool):
    with pytest.raises(ValueError, match="Received: text='Title: Sums Author: me"):
        tool.fields("Title: Sums Author: me\nDescription: sums.")


def test_the_cells_of_a_notebook_run(tmp_path):
    script = EXAMPLES / "variational_activations.py"
    subprocess.run(
        [sys.executable, TOOL, script, "--output", tmp_path], check=True, timeout=60
    )
    notebook = nbformat.read(tmp_path / f"{script.stem}.ipynb", as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    # The last one shows pictures, for which IPython is needed.
    cells[0] += f'\nsys.argv += ["--quick", "--output", {str(tmp_path)!r}]'
    (tmp_path / "cells.py").write_text(
        "for cell in " + repr(cells[:-1]) + ":\n    exec(cell, globals())\n"
    )
    subprocess.run([sys.executable, "cells.py"], cwd=tmp_path, check=True, timeout=300)
    assert (tmp_path / f"{script.stem}.png").stat().st_size > 10_000


def test_the_list_has_every_example_and_its_files():
    text = (EXAMPLES / "README.md").read_text("utf-8")
    linked = re.findall(r"\]\(([^)]+)\)", text)
    assert {script.name for script in SCRIPTS} <= set(linked)
    headings = re.findall(r"^## (.+)", text, re.MULTILINE)
    # As GitHub names them.
    anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
    places = {name[1:] for name in linked if name.startswith("#")}
    assert places == anchors
    files = [name for name in linked if not name.startswith("#")]
    assert [name for name in files if not (EXAMPLES / name).exists()] == []
    pictures = {f"pictures/{path.name}" for path in (EXAMPLES / "pictures").iterdir()}
    assert pictures <= set(linked)


def test_an_example_ends_with_what_does_not_hold(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(EXAMPLES)
    harness = importlib.import_module("tools.harness")
    options = ["--quick", "--epochs", "3", "--output", str(tmp_path / "new")]
    monkeypatch.setattr(sys, "argv", ["example.py", *options])
    run = harness.Example("Sums.", "few", {"--epochs": {"type": int}})
    assert run.quick
    assert run.options.epochs == 3
    assert run.path("file").parent.is_dir()
    run.expect(True, "one is one")
    run.finish()
    run.expect(False, "one is not two")
    with pytest.raises(SystemExit, match="one is not two"):
        run.finish()
