import numpy as np
import pytest

from mmseg_universeg.evaluation.report import (
    case_table,
    finite_mean,
    quartile_table,
    quartiles,
    short_names,
    write_csv,
)


def test_finite_mean():
    assert finite_mean(np.array([1.0, np.nan, 3.0, np.inf])) == 2
    assert np.isnan(finite_mean(np.array([np.nan, np.inf])))


@pytest.mark.parametrize('count', [1, 2, 3, 4, 10, 101])
def test_quartiles(count):
    values = np.random.default_rng(count).normal(size=count)
    with_gaps = np.concatenate((values, [np.nan, np.nan]))
    np.testing.assert_allclose(
        quartiles(with_gaps), np.percentile(values, [25, 50, 75])
    )


def test_quartiles_with_infinite_and_without_values():
    assert quartiles(np.array([1.0, np.inf, 2.0, np.inf, 3.0])) == (2, 3, np.inf)
    assert quartiles(np.array([1.0, np.inf])) == (np.inf, np.inf, np.inf)
    assert quartiles(np.array([np.inf, np.inf])) == (np.inf, np.inf, np.inf)
    assert np.isnan(quartiles(np.array([np.nan]))).all()


def test_table_of_quartiles():
    values = np.array([0.0, 0.1, 0.2, 0.9, np.nan])
    text = quartile_table({'DSC': {'a': values}, 'HD95': {'a': values + 1}})
    row = [cell.strip() for cell in text.splitlines()[3].split('|')[1:-1]]
    assert row == [
        'a',
        '0.3000, 0.1500 [0.0750, 0.3750]',
        '1.3000, 1.1500 [1.0750, 1.3750]',
        '4',
    ]


@pytest.mark.parametrize(
    ('paths', 'names'),
    [
        (['/d/a.png', '/d/b.tar.gz'], ['a', 'b.tar']),
        (['/d/1/x.png', '/d/2/x.png', '/d/y.png'], ['1/x', '2/x', 'y']),
        (['/p/1/i/x.png', '/p/2/i/x.png'], ['1/i/x', '2/i/x']),
        (['/d/x.png', '/d/x.png', '/d/x.png'], ['/d/x', '/d/x#2', '/d/x#3']),
        (['x.png', 'x.bmp'], ['x', 'x#2']),
        ([], []),
    ],
)
def test_short_names(paths, names):
    assert [n.replace('//', '/') for n in short_names(paths)] == names


def test_table():
    text = case_table(
        {
            'DSC': {'a': np.array([0.5, 1.0, np.nan]), 'b': np.array([0.0, 0.2, 0.1])},
            'HD95 (mm)': {
                'a': np.array([1.0, 3.0, np.nan]),
                'b': np.array([np.inf, 4.0, np.inf]),
            },
        }
    )
    rows = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in text.splitlines()
        if line.startswith('|')
    ]
    deviation = np.std([1, 3], ddof=1)
    assert rows == [
        ['class', 'DSC', 'HD95 (mm)', 'cases', 'skipped'],
        ['a', f'0.7500 ± {deviation / 4:.4f}', f'2.0000 ± {deviation:.4f}', '2', '1'],
        ['b', '0.1000 ± 0.1000', '4.0000 (2 infinite)', '3', '0'],
        ['mean', '0.4250', '3.0000', '', ''],
    ]


def test_csv_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / 'deep' / 'cases.csv'
    write_csv(path, ['case', 'DSC'], [['a', 0.1], ['b', float('nan')]])
    before = path.read_text()
    assert before.split() == ['case,DSC', 'a,0.1', 'b,nan']

    class Unprintable:
        def __str__(self):
            raise RuntimeError('stopped half way')

    with pytest.raises(RuntimeError, match='half way'):
        write_csv(path, ['case', 'DSC'], [['a', 0.2], ['b', Unprintable()]])
    assert path.read_text() == before
