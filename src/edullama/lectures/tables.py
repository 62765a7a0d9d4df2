"""Tables."""
from collections.abc import Iterable, Sequence
from edullama.lectures.figures import Shape
from edullama.lectures.pages import Line
from edullama.lectures.reading_order import Part

def take_tables(blocks: Iterable[Sequence[Line]], shapes: Sequence[Shape]) -> tuple[list[Part], Iterable[Sequence[Line]]]:
    return [], blocks
