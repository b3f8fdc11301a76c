"""Fetch a data set and unpack it in the layout that its class reads.

    python tools/dataset_converters/download.py wbc --out data

An interrupted download is continued by the same command. Nothing is overwritten:
the data set appears under its name only when it is complete.
"""

import argparse
import os
import re
import shutil
import sys
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """Where a data set is and which files of its archive belong to it.

    The owners publish no checksums of these archives, so none is checked; every
    file in a ZIP archive has its own, which is.

    Attributes:
        folder: Folder that the data set's class reads.
        url: Address of the ZIP archive.
        members: Pattern of the files wanted; its group ``path`` is their place
            below ``folder``.
        prefix: Put before ``path``.
        examples: One file of each kind that must be there.
        terms: Licence, and what to cite.
    """

    folder: str
    url: str
    members: str
    examples: tuple[str, ...]
    terms: str
    prefix: str = ''


SOURCES = {
    'wbc': Source(
        folder='wbc',
        url='https://github.com/zxaoyou/segmentation_WBC/archive/master.zip',
        members=r'[^/]+/(?P<path>Dataset [12]/\d+\.(?:bmp|png)|README\.rst|LICENSE)',
        examples=(
            'Dataset 1/001.bmp',
            'Dataset 1/001.png',
            'Dataset 2/001.bmp',
            'Dataset 2/001.png',
        ),
        terms='GPL-3.0; cite Zheng et al. 2018 (README.rst in the folder)',
    ),
    'dsb2018': Source(
        folder='dsb2018',
        url='https://data.broadinstitute.org/bbbc/BBBC038/stage1_train.zip',
        members=r'(?:stage1_train/)?'
        r'(?P<path>[0-9a-f]{64}/(?:images|masks)/[0-9a-f]+\.png)',
        prefix='stage1_train/',
        examples=(),
        terms='CC0; cite BBBC038v1 and Caicedo et al. 2019, '
        'doi:10.1038/s41592-019-0612-7',
    ),
    'isbi2012': Source(
        folder='isbi2012',
        # The challenge's own site asks for registration; this copy of its training
        # stack as PNG files is the one most U-Net tutorials use.
        url='https://github.com/zhixuhao/unet/archive/master.zip',
        members=r'[^/]+/data/membrane/train/(?P<path>(?:image|label)/\d+\.png)',
        examples=('image/0.png', 'label/0.png'),
        terms='research use; cite Arganda-Carreras et al. 2015, '
        'doi:10.3389/fnana.2015.00142',
    ),
}

# Data sets whose owners ask for an account.
BY_HAND = {
    'drive': (
        'DRIVE asks for an account at https://drive.grand-challenge.org/. Unpack both '
        'archives to\n  {out}/DRIVE/training/{{images,1st_manual,mask}} and\n  '
        '{out}/DRIVE/test/{{images,1st_manual,mask}}'
    ),
    'acdc': (
        'ACDC asks for an account at '
        'https://humanheart-project.creatis.insa-lyon.fr/database/. Then make its '
        'NIfTI volumes into slices:\n  python tools/dataset_converters/'
        'acdc_slices.py <folder with patientXXX folders> --out {out}'
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', choices=[*SOURCES, *BY_HAND], help='data set')
    parser.add_argument(
        '--out',
        default=os.environ.get('MMSEG_UNIVERSEG_DATA') or 'data',
        type=Path,
        help='folder of data sets (default: MMSEG_UNIVERSEG_DATA, or data)',
    )
    parser.add_argument('--url', help='another address of the archive (https, file)')
    args = parser.parse_args(arguments)
    if args.name in BY_HAND:
        print(BY_HAND[args.name].format(out=args.out))
        return 1
    source = SOURCES[args.name]
    try:
        fetch(source, args.out, args.url or source.url)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        print(f'{args.name}: {error}', file=sys.stderr)
        return 1
    print(f'{args.out / source.folder}: ready. Terms: {source.terms}')
    return 0


def fetch(source: Source, out: Path, url: str) -> None:
    """Download and unpack a data set into ``out / source.folder``.

    Raises:
        FileExistsError: The folder is there already.
        OSError: The download failed or is incomplete; the next call continues it.
        ValueError: The archive holds other files than those wanted.
    """
    folder = out / source.folder
    if folder.exists():
        raise FileExistsError(
            f'{folder} exists and is not overwritten; remove it to fetch it again'
        )
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f'.{source.folder}.zip'
    if not archive.exists():
        download(url, archive)
    unpacked = out / f'.{source.folder}.unpacking'
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        unpack(source, archive, unpacked)
    except (ValueError, zipfile.BadZipFile):
        # It would fail the same way again.
        archive.unlink()
        shutil.rmtree(unpacked, ignore_errors=True)
        raise
    unpacked.rename(folder)
    archive.unlink()


def download(url: str, path: Path) -> None:
    """Download to ``path``, through ``path`` + '.part' that a next call continues.

    Raises:
        OSError: The server cannot be reached or the connection ended early.
    """
    part = path.with_name(path.name + '.part')
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={'User-Agent': 'mmseg-universeg'})
    if start:
        request.add_header('Range', f'bytes={start}-')
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what is there is not part of this archive
            part.unlink()
        raise OSError(f'{url}: {error.code} {error.reason}; run it again') from error
    except urllib.error.URLError as error:
        raise OSError(f'{url}: cannot be reached ({error.reason})') from error
    with response:
        # Servers that do not continue, and file URLs, send all from the start.
        if getattr(response, 'status', None) != 206:
            start = 0
        length = response.headers.get('Content-Length')
        total = start + int(length) if length else None
        done = start
        with part.open('ab' if start else 'wb') as file:
            while block := response.read(_BLOCK):
                file.write(block)
                done += len(block)
                _show(url, done, total)
    print(file=sys.stderr)
    if total is not None and done != total:
        raise OSError(
            f'{url}: got {done} of {total} bytes; the same command continues it'
        )
    part.replace(path)


def _show(url: str, done: int, total: int | None) -> None:
    """Draw the progress bar."""
    bar = f'{done / 1e6:.1f} MB'
    if total:
        filled = 30 * done // total
        bar = f'[{"#" * filled}{"." * (30 - filled)}] {bar} of {total / 1e6:.1f} MB'
    print(f'\r{PurePosixPath(url).name} {bar}', end='', file=sys.stderr, flush=True)


def unpack(source: Source, archive: Path, folder: Path) -> None:
    """Write the files wanted of an archive, each checked by its CRC.

    Raises:
        ValueError: A member would be written outside of the folder, or a kind of
            file is missing.
        zipfile.BadZipFile: The archive is damaged.
    """
    wanted = re.compile(source.members)
    count = 0
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            place = PurePosixPath(member.filename.replace('\\', '/'))
            if place.is_absolute() or '..' in place.parts:
                raise ValueError(
                    f'{archive.name}: unsafe archive, holds {member.filename!r}'
                )
            match = wanted.fullmatch(member.filename)
            if match is None:
                continue
            target = folder / f'{source.prefix}{match["path"]}'
            target.parent.mkdir(parents=True, exist_ok=True)
            with zipped.open(member) as packed, target.open('wb') as file:
                shutil.copyfileobj(packed, file)
            count += 1
    missing = [name for name in source.examples if not (folder / name).exists()]
    if missing or not count:
        raise ValueError(
            f'the archive holds {count} files of the data set, wanted those that match '
            f'{source.members!r}{", missing: " if missing else ""}{", ".join(missing)}'
        )


if __name__ == '__main__':
    sys.exit(main())
