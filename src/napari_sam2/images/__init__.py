"""Any image as frames: files of all kinds, axes, planes, intensities and the size of pixels."""
