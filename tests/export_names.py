"""A file name for each format of results that can be written here, see ``test_all_formats_are_tried``."""

from wheels import HAS_GEFF, HAS_HIGHDICOM

NAMES_WITHOUT_TIME = [*(["a.dcm"] if HAS_HIGHDICOM else []), "a.mrc"]
"""Of formats that hold one image or volume."""

NAMES = [
    "a.tif",
    "a.ome.tif",
    "a.zarr",
    "a.csv",
    "a.nii.gz",
    "a.nii",
    "a.seg.nrrd",
    "a.nrrd",
    "a.tracks.csv",
    "a.parquet",
    "01_RES",
    *(["a.geff"] if HAS_GEFF else []),
    "a.xml",
    "a.roi.zip",
    "a.coco.json",
    "a.mp4",
    "a.gif",
    "a.frames.png",
]
