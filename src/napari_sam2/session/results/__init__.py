"""What a session shows and exports."""
