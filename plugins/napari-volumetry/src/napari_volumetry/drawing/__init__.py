"""What the hand does: the mouse and the keys over the picture, strokes and the tools that draw."""
