"""Training: data, losses, recipes, fine-tuning."""
