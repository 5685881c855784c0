"""The same for many files, with one model: each image has its prompts beside it."""

import shutil
from pathlib import Path

import napari_sam2 as sam2
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.session.prompts_file import add_prompts, read_prompts

for name in ("a", "b"):  # here two copies of the same movie stand for yours
    shutil.copy(FLUO_MITOCHECK.image, f"{name}.tif")
    shutil.copy(FLUO_MITOCHECK.prompts, f"{name}.json")

model = sam2.load_model("micro")  # once
for path in sorted(Path().glob("?.tif")):
    with sam2.Session(path, model=model) as session:
        clicks = read_prompts(path.with_suffix(".json"))
        add_prompts(session, [click for click in clicks if click.object_id <= 3])
        session.propagate_all(frames=range(2))  # without frames, through all of the movie
        session.export(path.with_suffix(".csv"))
        print(path, len(session.objects), "objects")
