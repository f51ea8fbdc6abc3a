"""A batch: what is measured anew, by whom, and what is kept of it."""
