"""A file name for each format of results, see ``test_all_formats_are_tried``."""

NAMES_WITHOUT_TIME = ["a.dcm", "a.mrc"]
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
    "a.geff",
    "a.xml",
    "a.mp4",
    "a.gif",
    "a.frames.png",
]
