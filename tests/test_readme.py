"""The code of README and pages runs, in order, as a reader would type it."""

import pathlib
import re

import numpy as np
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[1]


def _typed(page: str) -> dict:
    """The names that the code of a page makes."""
    path, names = ROOT / page, {}
    for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        exec(compile(block, str(path), "exec"), names)
    return names


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = _typed("README.md")
    assert "after reduction" in capsys.readouterr().out
    assert names["report"].max_relative_error < 1e-6
    assert names["exported"].portable
    assert (names["result"].status.numpy() == 0).all()


def test_the_loops_of_their_page_are_equal():
    names, rng = _typed("docs/loops.md"), np.random.default_rng(0)
    point = tf.constant(rng.normal(size=(3, 4)), tf.float32)
    np.testing.assert_allclose(
        names["unrolled"](point), names["rolled"](point), rtol=1e-5, atol=1e-6
    )
