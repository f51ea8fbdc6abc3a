"""What there is to trace in a study: scans, what is traced on them, and the rows a reader may see."""
