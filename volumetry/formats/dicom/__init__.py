"""DICOM: files, series, pixels, and what is traced on them."""
