"""Print the section of CHANGELOG.md that a release has; refuse a tag that does not fit.

python scripts/release_notes.py v0.1.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def release_notes(tag: str, version: str, changelog: str) -> str:
    """Return the section of a version.

    Raises
    ------
    SystemExit
        If the tag is not that of the version, or the first section is not that of the version with a date.
    """
    if tag != f"v{version}":
        raise SystemExit(f"the tag is {tag}, but the version of the package is {version}: the tag should be v{version}")
    title, _, rest = changelog.partition("\n## ")[2].partition("\n")
    if not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", title):
        raise SystemExit(f"CHANGELOG.md should begin with {version} and the date of the release, not with {title!r}")
    return rest.partition("\n## ")[0].strip() + "\n"


if __name__ == "__main__":
    code = (ROOT / "src/napari_sam2/version.py").read_text(encoding="utf-8")
    (found,) = re.findall(r'^__version__ = "(.+)"$', code, re.MULTILINE)
    sys.stdout.write(release_notes(sys.argv[1], found, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
