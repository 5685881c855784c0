"""Sessions of the widget: the folder in which they are kept, and how they are opened."""
