"""A progress bar for work that takes longer than two seconds while somebody watches."""

import os
import sys
from typing import Any


def is_headless() -> bool | None:
    """Whether nobody watches: None lets tqdm look for a terminal, where there is no live notebook."""
    if "TQDM_DISABLE" in os.environ:
        return True
    return False if "ipykernel" in sys.modules else None


def byte_bar(file: str, total: int | None) -> Any:  # noqa: ANN401  a tqdm bar, which has no types
    """Return a bar over the bytes of a file; it shows itself after two seconds."""
    from tqdm.auto import tqdm

    return tqdm(
        total=total, desc=f"reading {file}", unit="B", unit_scale=True, delay=2, leave=False, disable=is_headless()
    )
