"""What a person does with a stack: prompts in, labels out."""
