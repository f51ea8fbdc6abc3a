"""Plain words: what names of lesions and visits may be made of that says nothing of a person."""

from __future__ import annotations

import re
import unicodedata

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
finding label labels manual map mask masks mr mri native new object objects old outline pd pet pred prediction
probability probseg roi rois seg segmentation segmentations stir structure t t1 t1w
t2 t2w truth unnamed v volume
"""
_GERMAN = """
becken dickdarm entzündung fraktur gehirn herd herde herz hirn hüftkopf hüfte infarkt knie knochen kopf leber
links linke linker linkes lunge läsion läsionen laesion laesionen metastase metastasen milz narbe nekrose
nekrosen niere rechte rechter rechts rechtes schulter tumore tumoren vorne hinten wirbel wirbelsäule
zyste zysten
"""
_TIMES = """
after baseline bl before check checkup control day days discharge early end entry exam examination exit fifth
final first follow followup followups fourth fu fup home hour hours implantation initial inj injection interim
intervention intraop last late later m mid midterm mo month monthly months mth mths new next nine old one op
operation pause point post postop postoperative postsurgery posttreatment pre preop preoperative
presurgery pretreatment prior randomisation randomization recall repeat rescan retest scan scans screening scr
second ses session sessions six staging start study surgery test therapy third three time timepoint
timepoints tp treatment treated two twelve tx unscheduled untreated v vis visit visits
w week weekly weeks wk wks y year yearly years yr yrs
aufnahme ausgangsbefund erstuntersuchung halbjahr jahr jahre jahren kontrolle monat monate monaten mrt nach
nachher nachsorge nachuntersuchung tag tage tagen termin therapie untersuchung verlauf verlaufskontrolle vor
vorher woche wochen besuch zeitpunkt
année ans après avant contrôle controle jour jours mois semaine semaines suivi visite
año años después control día días inicial mes meses semana semanas seguimiento visita antes
basale controllo dopo giorni giorno mese mesi prima settimana settimane
"""
_PARTS = frozenset((_ANATOMY + _DISEASE).split())
_WORDS = frozenset(" ".join((_ANATOMY, _DISEASE, _LINKS, _IMAGING, _GERMAN)).split())
_VISIT_WORDS = _WORDS | frozenset(_TIMES.split())
_PIECE = re.compile(r"[^\W\d_]+|\d+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST_NUMBER = 3
_PLACE = re.compile(
    r"(?<!\d)(?:19|20)\d\d(?:([-_. ]?)\d\d\1\d\d(?:[-_ T]?\d\d[-:._]?\d\d(?:[-:._]?\d\d)?)?)?(?!\d)"
)
_DAY_FIRST = re.compile(r"(?<!\d)\d{1,2}([-_./ ])\d{1,2}\1(?:(?:19|20)\d\d|\d\d)(?!\d)")
_AFTER_TIME_WORD = re.compile(
    r"(?<![^\W\d_])(?:month|week|day|year|visit|v|t|tp|ses|fu|m|session)s?[-_. ]?\d{4,5}(?!\d)", re.IGNORECASE
)
_MONTH = re.compile(
    r"(?<![^\W\d_])(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])"
    r"(?:uary?|ruary?|z|ch|ril|ust|t?(?:em)?ber|[iey])?[-_. ]*(?:\d\d)?\d\d(?!\d)",
    re.IGNORECASE,
)
"""Numbers that are no person's: dates with or without a time of day, years, and numbers after time words."""


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
    return not unplain_words(name)


def is_plain_visit(name: str) -> bool:
    """Return whether the name of a visit is made of dates, numbers, letters and words of time alone.

    >>> [is_plain_visit(name) for name in ("2024-01-15", "post-op month12", "20240115_MRI_hip", "ses-0615")]
    [True, True, True, True]
    >>> [is_plain_visit(name) for name in ("v1 Meier", "2024-01-15_Meier", "4711083")]
    [False, False, False]
    """
    for numbers in (_MONTH, _PLACE, _DAY_FIRST, _AFTER_TIME_WORD):
        name = numbers.sub(" ", name)
    return not _unplain(name, _VISIT_WORDS)


def unplain_words(name: str) -> list[str]:
    """Return the words and numbers in the name of a lesion that may be a person's, in small letters.

    >>> unplain_words("tumor Meier 4711"), unplain_words("left L1")
    (['meier', '4711'], [])
    """
    return _unplain(name, _WORDS)


def _unplain(name: str, words: frozenset[str]) -> list[str]:
    pieces = _PIECE.findall(_CAPITAL.sub(" ", unicodedata.normalize("NFC", name)))
    return [
        piece.casefold()
        for piece in pieces
        if (
            len(piece) > _LONGEST_NUMBER
            if piece.isdecimal()
            else len(piece) > 1 and piece.casefold() not in words
        )
    ]
