"""``python -m napari_sam2 <command>``, where the script ``napari-sam2`` is not at hand."""

import sys

from napari_sam2.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
