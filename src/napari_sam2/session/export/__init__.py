"""What comes out of a session, one file per format; :mod:`~napari_sam2.session.export.formats` chooses by the name of the file."""
