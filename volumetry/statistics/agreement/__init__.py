"""Agreement of readers and of repeated reads."""
