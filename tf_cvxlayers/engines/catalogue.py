"""Every engine of the package, in order of preference. A new engine is a line here.

`engine="auto"` takes the first that suits a program, `engine="diffcp"` the first of
this name that takes its cones. `layers.cone_layer` tells Keras of each class, so that
an engine can be read from a file.
"""

from tf_cvxlayers.engines.base import Engine
from tf_cvxlayers.engines.compiled import Compiled
from tf_cvxlayers.engines.diffcp import Diffcp
from tf_cvxlayers.engines.interior_point import InteriorPoint

ENGINES: tuple[Engine, ...] = (
    Compiled(),
    InteriorPoint(),
    Diffcp(),
    Diffcp(solver="scs"),
)
