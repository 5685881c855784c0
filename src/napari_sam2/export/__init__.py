"""What comes out of a session, one file per format; :mod:`~napari_sam2.export.formats` chooses by the name of the file."""
