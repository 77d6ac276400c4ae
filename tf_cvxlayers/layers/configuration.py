"""A layer's config, read with suspicion.

Keras hands over what a file says. Whatever is wrong in it is one error, which says in
which part of which layer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import keras

from tf_cvxlayers.engines import Engine
from tf_cvxlayers.errors import FileError, shortened

_T = TypeVar("_T")


class LayerConfig:
    """A config while it is read, part by part.

    Args:
        config: what `get_config` wrote, or so it is hoped.

    Raises:
        FileError: it is no dict.
    """

    def __init__(self, config: Any):
        if not isinstance(config, dict):
            raise FileError(
                "Expected the config of a layer to be a dict. "
                f"Received: {type(config).__name__}."
            )
        self._left = dict(config)
        self._layer = config.get("name")

    def read(self, name: str, reader: Callable[[Any], _T]) -> _T:
        """What `reader` makes of the value under this name."""
        with self._named(f"in its {name!r}"):
            if name not in self._left:
                raise FileError(f"Expected a value. Received: {sorted(self._left)}.")
            return reader(self._left.pop(name))

    def read_rest(self, reader: Callable[[dict[str, Any]], _T]) -> _T:
        """What `reader` makes of what is left, arguments of the layer."""
        with self._named("in its settings"):
            settings = self._left
            if isinstance(settings.get("dtype"), dict):
                settings["dtype"] = keras.dtype_policies.deserialize(settings["dtype"])
            return reader(settings)

    @contextmanager
    def _named(self, where: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of Keras, of NumPy, of this package
            raise FileError(
                f"Expected the config of layer {self._layer!r} to be one that the "
                f"layer wrote. Received, {where}: {str(error) or repr(error)}"
            ) from error


def require(value: Any, kind: type, words: str) -> Any:
    """The value; raises FileError where it is not of this kind."""
    if type(value) is not kind:
        raise FileError(f"Expected {words}. Received: {shortened(value)}.")
    return value


def engine_config(engine: str | Engine) -> Any:
    """The user's choice of an engine, for JSON."""
    if isinstance(engine, str):
        return engine
    return keras.saving.serialize_keras_object(engine)


def engine_from_config(config: Any) -> Any:
    """The choice that `engine_config` wrote; anything but a dict as it is.

    Raises:
        FileError: a dict that stands for something else than an engine. Nothing else
            is made of it.
    """
    if not isinstance(config, dict):
        return config
    name = config.get("registered_name")
    found = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    if not isinstance(found, type) or not issubclass(found, Engine):
        raise FileError(f"Expected an engine. Received: {shortened(name)}.")
    return found.from_config(require(config.get("config"), dict, "its settings"))
