"""Words of anatomy and disease: what the name of a lesion may be made of that says nothing of a person."""

from __future__ import annotations

import re

_ANATOMY = """
abdomen abdominal acetabular acetabulum adrenal amygdala ankle anterior aorta appendage arm artery atrial
atrium autochthon axilla axillary bladder bone bowel brachiocephalic brain brainstem breast bronchus calcaneus
callosum capsule carotid carpal cartilage cartilages caudal caudate cava cavity central cerebellum cerebral
cerebrum cervical chest chiasm clavicle clavicula colon common condyle cord corpus cortex cortical costal
cranial deep diaphragm disc discs disk distal dorsal duodenum elbow epiphysis esophagus eye fascia fat femoral
femur fibula foot frontal gallbladder gland globus gluteus gray grey gtv ctv ptv hand head heart hemisphere
hepatic hip hippocampus humeral humerus iliac iliopsoas ilium inferior inner insula intervertebral intestine
ischium joint kidney knee labrum larynx lateral left leg ligament liver lobe lower lumbar lung lungs lymph
lymphnode mandible marrow matter maxilla maximus medial mediastinum medius meniscus mesentery metaphysis
metatarsal middle minimus mucosa muscle myocardium nasal neck nerve node nodes nucleus occipital oesophagus
optic oral orbit outer ovary pallidum pancreas pancreatic parietal parotid patella pelvic pelvis peripheral
peritoneum phalanges pharynx pituitary pleura pleural pons portal posterior prostate proximal psoas pubis
pulmonary putamen radius rectum region renal retina rib ribs right sacral sacrum scapula shoulder sigmoid skin
skull small spinal spine spleen splenic sternum stomach subclavian subcutaneous superficial superior talus
tarsal temporal tendon testis thalamus thigh thoracic thorax thymus thyroid tibia tibial tissue tongue tonsil
torso trachea trochanter trunk ulna upper ureter urethra urinary uterus vein vena ventral ventricle ventricles
vertebra vertebrae vertebral vessel vessels visceral vitreous white wm gm csf wmh wall wrist zone
"""
_DISEASE = """
abscess active adenoma aneurysm avn avascular bml benign bleed bleeding calcification carcinoma cavernoma
chronic contusion core cyst cysts cystic defect dominant edema effusion enhancing enhancement fibroid fibrosis
fracture glioblastoma glioma granuloma growth haematoma haemorrhage hamartoma hemangioma hematoma
hemorrhage hypointense hyperintense hyperintensity index infarct infarction inflammation ischemia ischemic
les lesion lesions lipoma lymphoma malignant mass melanoma meningioma met metastases metastasis mets myeloma
myoma ms fcd ncr necrosis necrotic neoplasm nodule nodules oedema onfh osteonecrosis osteosarcoma pathology
penumbra perifocal perilesional plaque plaques pneumothorax polyp primary recurrence recurrent resection
residual ring sarcoma scar schwannoma secondary sequestrum seroma solid stenosis stroke subchondral target
thrombus tumor tumors tumour tumours ulcer
"""
_LINKS = """
a all and both combined complete de entire first full in large largest of one other part partial second
segment single smallest sum the third total two whole with without
"""
_IMAGING = """
adc annotation annotations auto binary ce contour corrected ct dce dwi dseg edit edited final flair gd gt
label labels manual map mask masks mr mri native new old outline pd pet pred prediction probability probseg
roi rois seg segmentation segmentations stir t t1 t1w t2 t2w truth v volume
"""
_PARTS = frozenset((_ANATOMY + _DISEASE).split())
_WORDS = frozenset(" ".join((_ANATOMY, _DISEASE, _LINKS, _IMAGING)).split())
_PIECE = re.compile(r"[^\W\d_]+|\d+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST_NUMBER = 3


def names_a_part(word: str) -> bool:
    """Return whether a word in small letters is one of anatomy or disease.

    >>> names_a_part("cyst"), names_a_part("femoral"), names_a_part("final")
    (True, True, False)
    """
    return word in _PARTS


def is_plain_name(name: str) -> bool:
    """Return whether the name of a lesion is made of numbers, letters and words of anatomy and disease alone.

    Numbers have three digits at most: longer ones may be a date or somebody's number.

    >>> is_plain_name("L1"), is_plain_name("kidney_left"), is_plain_name("leftFemoralHead 2")
    (True, True, True)
    >>> is_plain_name("Meier"), is_plain_name("tumor Meier"), is_plain_name("cyst_19490131")
    (False, False, False)
    """
    pieces = _PIECE.findall(_CAPITAL.sub(" ", name))
    return all(
        len(piece) <= _LONGEST_NUMBER if piece.isdecimal() else len(piece) == 1 or piece.casefold() in _WORDS
        for piece in pieces
    )
