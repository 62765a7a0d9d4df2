"""What tests of several folders share."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Real lectures and cards beside the checkout; not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"real lectures are not there: {DATA}")
    return DATA
