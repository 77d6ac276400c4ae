"""Make a Jupyter notebook of an example: texts become Markdown, the rest code.

    python keras_examples/tools/notebook.py keras_examples/optnet_qp.py

writes `keras_examples/notebooks/optnet_qp.ipynb`. Cells that are added at the beginning
and at the end stand for the command line, and show the pictures.
"""

import argparse
import ast
import os
import pathlib
import re
import sys

import nbformat.v4 as notebooks

FIELDS = ("Title", "Author", "Date created", "Last modified", "Description")

COMMAND_LINE = """\
# The place and the command line of the script. For a short run add "--quick".
import pathlib
import sys

__file__ = "{script}"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.argv = [__file__]"""

PICTURES = """\
import IPython.display
from tools.harness import OUTPUT

for path in sorted(OUTPUT.glob("{stem}.*")):
    if path.suffix in (".png", ".gif"):
        IPython.display.display(IPython.display.Image(filename=path))"""


def fields(text):
    """Return the fields of an example's first text.

    Raises:
        ValueError: one is missing, or not where it should be.
    """
    pattern = "".join(rf"{name}: (?P<f{k}>.+)\n" for k, name in enumerate(FIELDS))
    match = re.fullmatch(pattern, text.strip() + "\n", re.DOTALL)
    if match is None or "\n" in "".join(match.groups()[:-1]):
        raise ValueError(
            f"The first text of an example has the lines {', '.join(FIELDS)}, in this "
            f"order. Received: text={text!r}"
        )
    return dict(zip(FIELDS, map(" ".join, map(str.split, match.groups())), strict=True))


def parts(source):
    """Return `(is_text, part)` for every text and every stretch of code."""
    lines = source.splitlines()
    found, start = [], 0

    def code(end):
        stretch = "\n".join(lines[start:end]).strip("\n")
        if stretch:
            found.append((False, stretch))

    for node in ast.parse(source).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            code(node.lineno - 1)
            found.append((True, node.value.value.strip("\n")))
            start = node.end_lineno
    code(len(lines))
    return found


def notebook(script, folder):
    """Return the notebook of a script, to be run in the folder."""
    (is_text, first), *rest = parts(script.read_text("utf-8"))
    if not is_text:
        raise ValueError(f"An example begins with a text. Received: {script}")
    head = fields(first)
    by = f"{head['Author']}, {head['Date created']} (modified {head['Last modified']})"
    relative = pathlib.Path(os.path.relpath(script, folder)).as_posix()
    cells = [
        notebooks.new_markdown_cell(
            f"# {head['Title']}\n\n*{by}*\n\n{head['Description']}"
        ),
        notebooks.new_code_cell(COMMAND_LINE.format(script=relative)),
    ]
    for is_text, part in rest:
        new = notebooks.new_markdown_cell if is_text else notebooks.new_code_cell
        cells.append(new(part))
    cells.append(notebooks.new_code_cell(PICTURES.format(stem=script.stem)))
    # Not random ones, so that the same script makes the same file.
    for number, cell in enumerate(cells):
        cell.id = str(number)
    return notebooks.new_notebook(cells=cells)


def main():
    parser = argparse.ArgumentParser(description="Make notebooks of examples.")
    parser.add_argument("scripts", type=pathlib.Path, nargs="+", metavar="SCRIPT")
    default = pathlib.Path(__file__).resolve().parents[1] / "notebooks"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for script in arguments.scripts:
        path = arguments.output / f"{script.stem}.ipynb"
        text = notebooks.writes(notebook(script.resolve(), arguments.output.resolve()))
        path.write_text(text + "\n", "utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
