"""What a person does on the canvas: mouse, keys of layers, tools, the status bar."""
