"""The README's code runs, in order, as a reader would type it."""

import pathlib
import re

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert "after reduction" in capsys.readouterr().out
    assert names["report"].max_relative_error < 1e-6
    assert names["exported"].portable
    assert (names["result"].status.numpy() == 0).all()
