"""The manifest: its columns, the cases that its lines name, what they claim together, and writing it."""
