"""What is shown of a case: its slice, what is traced on it, and another visit beside it."""
