"""DICOM tags by their keywords, as the data dictionary (DICOM PS3.6) names them: those that are used here.

A test compares them with pydicom's dictionary; no program starts by loading that.
"""

from __future__ import annotations

MediaStorageSOPClassUID = 0x00020002
TransferSyntaxUID = 0x00020010
SpecificCharacterSet = 0x00080005
ImageType = 0x00080008
SOPClassUID = 0x00080016
SOPInstanceUID = 0x00080018
StudyDate = 0x00080020
SeriesDate = 0x00080021
AcquisitionDate = 0x00080022
AcquisitionDateTime = 0x0008002A
AcquisitionTime = 0x00080032
Modality = 0x00080060
CodeValue = 0x00080100
ReferencedSeriesSequence = 0x00081115
ReferencedImageSequence = 0x00081140
ReferencedInstanceSequence = 0x0008114A
ReferencedSOPClassUID = 0x00081150
ReferencedSOPInstanceUID = 0x00081155
ReferencedFrameNumber = 0x00081160
SourceImageSequence = 0x00082112
AnatomicRegionSequence = 0x00082218
AnatomicRegionModifierSequence = 0x00082220
DerivationImageSequence = 0x00089124
PatientID = 0x00100020
IssuerOfPatientID = 0x00100021
PatientBirthDate = 0x00100030
PatientSex = 0x00100040
PatientAge = 0x00101010
ClinicalTrialProtocolID = 0x00120020
ClinicalTrialSubjectID = 0x00120040
ClinicalTrialSubjectReadingID = 0x00120042
ContrastBolusAgent = 0x00180010
ScanningSequence = 0x00180020
SequenceVariant = 0x00180021
ScanOptions = 0x00180022
SliceThickness = 0x00180050
RepetitionTime = 0x00180080
EchoTime = 0x00180081
InversionTime = 0x00180082
EchoNumbers = 0x00180086
MagneticFieldStrength = 0x00180087
SpacingBetweenSlices = 0x00180088
TriggerTime = 0x00181060
ImagerPixelSpacing = 0x00181164
FlipAngle = 0x00181314
EchoPulseSequence = 0x00189008
DiffusionBValue = 0x00189087
StudyInstanceUID = 0x0020000D
SeriesInstanceUID = 0x0020000E
SeriesNumber = 0x00200011
AcquisitionNumber = 0x00200012
InstanceNumber = 0x00200013
ImagePositionPatient = 0x00200032
ImageOrientationPatient = 0x00200037
FrameOfReferenceUID = 0x00200052
Laterality = 0x00200060
ImageLaterality = 0x00200062
TemporalPositionIdentifier = 0x00200100
StackID = 0x00209056
InStackPositionNumber = 0x00209057
PlanePositionSequence = 0x00209113
PlaneOrientationSequence = 0x00209116
SamplesPerPixel = 0x00280002
PhotometricInterpretation = 0x00280004
NumberOfFrames = 0x00280008
Rows = 0x00280010
Columns = 0x00280011
PixelSpacing = 0x00280030
BitsAllocated = 0x00280100
BitsStored = 0x00280101
HighBit = 0x00280102
PixelRepresentation = 0x00280103
PixelPaddingValue = 0x00280120
WindowCenter = 0x00281050
WindowWidth = 0x00281051
RescaleIntercept = 0x00281052
RescaleSlope = 0x00281053
LossyImageCompression = 0x00282110
PixelMeasuresSequence = 0x00289110
SegmentationType = 0x00620001
SegmentSequence = 0x00620002
SegmentNumber = 0x00620004
SegmentLabel = 0x00620005
SegmentIdentificationSequence = 0x0062000A
ReferencedSegmentNumber = 0x0062000B
MaximumFractionalValue = 0x0062000E
SegmentedPropertyTypeCodeSequence = 0x0062000F
SegmentedPropertyTypeModifierCodeSequence = 0x00620011
ReferencedFrameOfReferenceSequence = 0x30060010
RTReferencedStudySequence = 0x30060012
RTReferencedSeriesSequence = 0x30060014
ContourImageSequence = 0x30060016
StructureSetROISequence = 0x30060020
ROINumber = 0x30060022
ReferencedFrameOfReferenceUID = 0x30060024
ROIName = 0x30060026
ROIContourSequence = 0x30060039
ContourSequence = 0x30060040
ContourGeometricType = 0x30060042
NumberOfContourPoints = 0x30060046
ContourData = 0x30060050
ReferencedROINumber = 0x30060084
ApprovalStatus = 0x300E0002
SharedFunctionalGroupsSequence = 0x52009229
PerFrameFunctionalGroupsSequence = 0x52009230
FloatPixelData = 0x7FE00008
DoubleFloatPixelData = 0x7FE00009
PixelData = 0x7FE00010
Item = 0xFFFEE000
ItemDelimitationItem = 0xFFFEE00D
SequenceDelimitationItem = 0xFFFEE0DD


def tag_name(tag: int) -> str:
    """Return a tag as DICOM writes it: ``(0028,0030)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
