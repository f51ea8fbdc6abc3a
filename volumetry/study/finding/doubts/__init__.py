"""What is doubted: patients, visits and days that names and headers give, but that cannot be right."""
