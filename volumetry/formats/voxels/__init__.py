"""Files of voxels with a geometry: NIfTI, NRRD, MetaImage, and the less common ones by libraries."""
