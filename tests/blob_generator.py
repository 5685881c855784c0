"""A double with meaning for the automatic mask generator: it finds the bright blobs."""

from scipy import ndimage as ndi


class BlobGenerator:
    """A double with meaning: finds the bright blobs, each in a batch of its own."""

    def __init__(self, model, points_per_side=32, **options):
        self.after_batch = lambda: None

    def num_batches(self, size):
        return 2

    def generate(self, image):
        found, count = ndi.label(image.max(axis=-1) > 128 if image.ndim == 3 else image > 128)
        masks = []
        for number in range(1, count + 1):
            masks.append({"segmentation": found == number, "area": (found == number).sum(), "predicted_iou": 1 / number})
            self.after_batch()
        return masks
