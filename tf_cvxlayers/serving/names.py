"""The names of arguments in the signatures of a file.

TensorFlow takes letters and digits of ASCII and underscores, the first of them a
letter, and tells no two names apart that differ by case alone.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence

_LEGAL = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Names that TensorFlow's own functions have for their arguments.
_TAKEN = {"self"}
# What Keras calls an input without a name, before its number.
_NUMBERED = "keras_tensor"


def argument_names(names: Sequence[str | None]) -> list[str]:
    """A name for each input of a model, in the order of the inputs.

    Names that TensorFlow takes stay as they are; of several that differ by case alone,
    the first does. Others are spelt with what is allowed: a Greek letter by its name,
    anything else as an underscore. Inputs without a name, or with a running number of
    Keras, are `inputs`, or `inputs_0`, `inputs_1`, ....
    """
    own = {
        k: name
        for k, name in enumerate(names)
        if name and not name.startswith(_NUMBERED)
    }
    found: dict[int, str] = {}
    taken = set(_TAKEN)
    # Those that may stay have the first choice.
    for k, name in own.items():
        if _LEGAL.fullmatch(name) and name.lower() not in taken:
            found[k] = _free(iter([name]), taken)
    for k, name in own.items():
        if k not in found:
            found[k] = _free(_several(_spelt(name)), taken)
    first = ["inputs"] if len(names) - len(own) == 1 else []
    for k in range(len(names)):
        if k not in own:
            numbers = (f"inputs_{number}" for number in itertools.count())
            found[k] = _free(itertools.chain(first, numbers), taken)
    return [found[k] for k in range(len(names))]


def _free(candidates: Iterator[str], taken: set[str]) -> str:
    """The first name that is not taken, which then is."""
    name = next(name for name in candidates if name.lower() not in taken)
    taken.add(name.lower())
    return name


def _several(name: str) -> Iterator[str]:
    return itertools.chain([name], (f"{name}_{k}" for k in itertools.count(2)))


def _spelt(name: str) -> str:
    """The name in letters that TensorFlow takes."""
    if name in _TAKEN:
        return f"arg_{name}"
    spelt = re.sub(r"[^A-Za-z0-9_]", "_", "".join(map(_ascii, name)))
    return spelt if _LEGAL.fullmatch(spelt) else f"arg_{spelt.lstrip('_')}"


def _ascii(letter: str) -> str:
    """A letter as ASCII: without its accents, or a Greek one by its name."""
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    if plain:
        return plain
    words = unicodedata.name(letter, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        spelt = words[words.index("LETTER") + 1].lower()
        return spelt.capitalize() if "CAPITAL" in words else spelt
    return "_"
