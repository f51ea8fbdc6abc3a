"""The elements of one DICOM file, read within bounds."""
