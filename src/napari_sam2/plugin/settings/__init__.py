"""What a person sets for all images: settings, keys, the model, the device."""
