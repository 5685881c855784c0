"""What is selected to be worked on: the image, how it is read, its position and frame, the model."""
