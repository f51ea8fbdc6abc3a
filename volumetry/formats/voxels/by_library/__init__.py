"""The less common formats, whose headers a library reads: FreeSurfer, GIPL, VTK, TIFF."""
