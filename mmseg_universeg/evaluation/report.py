"""How scores of many cases are named, averaged, printed and written."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import MMLogger
from prettytable import PrettyTable

from ..utils.whole_files import whole_file

# What the three values of `quartiles` are called in names of metrics.
QUARTILES = ('q1', 'median', 'q3')


def finite_mean(values: np.ndarray) -> float:
    """Mean of the values that are neither NaN nor infinite.

    Args:
        values: Any shape, float.

    Returns:
        The mean; NaN where no value is finite.
    """
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float('nan')


def quartiles(values: np.ndarray) -> tuple[float, float, float]:
    """First quartile, median and third quartile of the values that are not NaN.

    Linear between the two nearest values; infinite values count as the largest.

    Args:
        values: (N,) float.

    Returns:
        The three, in this order; NaN where no value is left.
    """
    known = np.sort(values[~np.isnan(values)])
    if not known.size:
        return (float('nan'),) * 3
    found = []
    for share in (0.25, 0.5, 0.75):
        low, rest = divmod(share * (known.size - 1), 1)
        at = known[int(low)]
        # Not by NumPy's percentile, where infinite neighbours make NaN.
        if rest and np.isfinite(at):
            at = at + rest * (known[int(low) + 1] - at)
        found.append(float(at))
    return tuple(found)


def short_names(paths: Sequence[str]) -> list[str]:
    """Unique, readable names for files.

    The file's stem; where stems are shared, as many parent folders before it as tell
    them apart; a path given twice gets ``#2`` the second time.

    Args:
        paths: File paths, or names without folders.

    Returns:
        One name per path, in order, no two alike.
    """
    parts = [(*Path(p).parent.parts, Path(p).stem) for p in paths]
    depth = [1] * len(parts)
    while True:
        names = ['/'.join(p[-d:]) for p, d in zip(parts, depth)]
        count = Counter(names)
        longer = [
            min(d + (count[n] > 1), len(p)) for n, d, p in zip(names, depth, parts)
        ]
        if longer == depth:
            break
        depth = longer
    seen = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f'{name}#{seen[name]}')
    return unique


def case_table(scores: dict[str, dict[str, np.ndarray]]) -> str:
    """Mean and standard deviation over cases, a row for each class.

    Args:
        scores: By column title, then by class: the scores of all cases, float (N,),
            NaN where skipped.

    Returns:
        The table as text. ``cases`` counts those that were scored, ``skipped`` the
        NaN, ``infinite`` the infinite ones, which are in no mean. The last row is
        the mean over classes.
    """
    titles = list(scores)
    table = PrettyTable(['class', *titles, 'cases', 'skipped'])
    table.align = 'r'
    table.align['class'] = 'l'
    classes = list(scores[titles[0]])
    for name in classes:
        columns = [scores[title][name] for title in titles]
        skipped = int(np.isnan(columns[0]).sum())
        table.add_row(
            [name, *map(_cell, columns), len(columns[0]) - skipped, skipped],
            divider=name == classes[-1],
        )
    means = [
        finite_mean(np.array([finite_mean(v) for v in scores[title].values()]))
        for title in titles
    ]
    table.add_row(['mean', *(f'{mean:.4f}' for mean in means), '', ''])
    return table.get_string()


def quartile_table(scores: dict[str, dict[str, np.ndarray]]) -> str:
    """Mean, median and quartiles, a row for each class.

    Args:
        scores: As in `case_table`.

    Returns:
        The table as text, NaN left out of all, infinite values of the mean only.
    """
    table = PrettyTable(['class', *scores, 'scored'])
    table.align = 'r'
    table.align['class'] = 'l'
    for name, first in next(iter(scores.values())).items():
        cells = []
        for column in scores.values():
            low, median, high = quartiles(column[name])
            mean = finite_mean(column[name])
            cells.append(f'{mean:.4f}, {median:.4f} [{low:.4f}, {high:.4f}]')
        table.add_row([name, *cells, np.count_nonzero(~np.isnan(first))])
    return table.get_string()


def in_log_folder(file: str) -> Path | None:
    """Where a run keeps a file of its own.

    Args:
        file: A path, absolute or relative to the folder of the current log file.

    Returns:
        The path; None for a relative one where no log file is written.
    """
    path = Path(file)
    if path.is_absolute():
        return path
    log_file = MMLogger.get_current_instance().log_file
    return None if log_file is None else Path(log_file).parent / path


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """Write a CSV file whole or not at all.

    Args:
        path: The file, replaced where it exists. Its folder is made.
        header: Names of the columns.
        rows: Values of each row.

    Raises:
        OSError: The folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline='')
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _cell(values: np.ndarray) -> str:
    """Mean, deviation and the number of infinite values, for example '3.1 ± 0.4'."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        text = '-'
    elif finite.size == 1:
        text = f'{finite[0]:.4f}'
    else:
        text = f'{finite.mean():.4f} ± {finite.std(ddof=1):.4f}'
    infinite = int(np.isinf(values).sum())
    return f'{text} ({infinite} infinite)' if infinite else text
