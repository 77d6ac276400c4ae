"""What is called solved is right, in every family; `run` counts what is refused.

python -m tests.hard.run --engine diffcp --elements 60
"""

import itertools

import pytest

from tests.hard import batch
from tests.hard.catalogue import FAMILIES, selected
from tests.hard.element import elements
from tests.hard.run import ENGINES, counted
from tests.hard.verdict import verdicts
from tf_cvxlayers.engines import InteriorPoint

_ELEMENTS, _SEED = 2, 0
_FLOAT32 = 1.2e-7


# In turn: `run` tries every family on every engine that takes it.
_ENGINES = itertools.cycle(("interior_point", "diffcp"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "engine"), list(zip(FAMILIES, _ENGINES, strict=False))
)
def test_nothing_wrong_is_called_solved(family, engine):
    engine = ENGINES[engine]()
    for _, variant in selected(family):
        made, _ = elements(family, variant, _ELEMENTS, _SEED)
        if not engine.accepts(batch.structure_of(made)):
            engine = InteriorPoint()
        float32 = "float32" in variant
        rounding = _FLOAT32 if float32 else None
        found = verdicts(made, batch.solved(engine, made, 400, rounding), float32)
        print(family, variant, "seed", _SEED, [verdict.word for verdict in found])
        counts = counted(found)
        for word in ("wrong", "gwrong", "claims"):
            assert counts[word] == 0, (family, variant, word, found)
