"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# Ends the name of a file that is being written; its name begins with a dot.
UNFINISHED = '.part'


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name when the block ends.

    What is under that name before is replaced. A block that raises leaves nothing
    new; a killed process leaves a hidden file whose name ends in ``.part``.

    Yields:
        The binary file to write to.

    Raises:
        OSError: The file cannot be written; names ``path``.
    """
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}{UNFINISHED}')
    try:
        with unfinished.open('wb') as file:
            yield file
        unfinished.replace(path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # A full disk is reported without the name of the file.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
