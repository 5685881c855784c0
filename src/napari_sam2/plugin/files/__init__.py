"""Files: sessions and volumes in napari's menus, recent sessions, exports."""
