"""What stands beside the picture: numbers, buttons, messages, the worklist."""
