"""Which DICOM images are one stack of slices, and its geometry."""
