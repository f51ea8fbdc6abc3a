"""Files of voxels with a geometry: NIfTI, NRRD, MetaImage."""
