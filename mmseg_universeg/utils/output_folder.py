"""Folders that a converter makes, and goes on making where it was interrupted."""

import json
import reprlib
from pathlib import Path

import cv2
import numpy as np

from .whole_files import UNFINISHED, whole_file


def open_output_folder(folder: Path, made_with: dict[str, dict]) -> None:
    """Make a folder, or check that one is to be continued, and clean it.

    Args:
        folder: The folder.
        made_with: What its contents depend on: by name of a JSON file in it, what that
            file is to hold. ``settings.json`` must be there.

    Raises:
        FileExistsError: The folder holds something else.
        ValueError: It was made with something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    others = [p for p in folder.iterdir() if not p.name.endswith(UNFINISHED)]
    if others and not (folder / 'settings.json').exists():
        raise FileExistsError(
            f'{folder}: holds {others[0].name} and no settings.json of this command; '
            'wanted a new or empty folder'
        )
    for file, content in made_with.items():
        # As JSON gives it back: lists, no tuples.
        content = json.loads(json.dumps(content))
        path = folder / file
        if not path.exists():
            write_json(path, content)
            continue
        before = json.loads(path.read_text(encoding='utf-8'))
        changed = [key for key in content if before.get(key) != content[key]]
        if changed:
            raise ValueError(
                f'{path}: was made with {changed[0]}='
                f'{reprlib.repr(before.get(changed[0]))}, now it is '
                f'{reprlib.repr(content[changed[0]])}; wanted the same, or another '
                'folder'
            )
    for path in folder.rglob(f'.*{UNFINISHED}'):
        path.unlink()


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    with whole_file(path) as file:
        file.write(f'{json.dumps(content, indent=1)}\n'.encode())


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write a picture, (H, W) or (H, W, 3) RGB uint8, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    pixels = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    encoded, content = cv2.imencode('.png', np.ascontiguousarray(pixels))
    if not encoded:
        raise OSError(f'{path}: cannot be written as PNG')
    with whole_file(path) as file:
        file.write(content.tobytes())
