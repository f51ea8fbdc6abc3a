"""What the name of a column of somebody else's table says that its cells are about, in several languages."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

About = Literal["person", "tracing", "visit", "unit", ""]

_PERSON = (
    r"mrn|dob|sexe?|sesso|sexo|gender|geschlecht|birth|geburt|gebdat|naissance|nacimiento|nascita|nascimento"
    r"|surname|(?:vor|nach|familien)name|(?:first|last|family|given|patient)[ ]?name|ssn"
)
_TRACING = (
    r"sides?|seiten?|cotes?|lados?|lat[oi]|laterali\w*|hips?|hufte|huefte|hanche|cadera|anca|quadril|joint"
    r"|gelenk|knees?|knie|lesions?|lesione|lesao|laesion|lasion|tumou?rs?|nodules?|knoten|herd|roi|structure"
    r"|struktur|organs?|organe|organo|orgao|anatom\w*|body[ ]?part|lo[ck]ali[sz]ation|location|ubicacion"
    r"|readers?|raters?|observer|annotator|befunder|untersucher|auswerter|lecteur|lector|lettore|leitor"
    r"|hospital|klinik|clinic|clinique|clinica|zentrum|centre|center|centro|standort|institution"
)
_VISIT = (
    r"comments?|remarks?|notes?|notiz(?:en)?|bemerkung\w*|kommentare?|commentaires?|comentarios?|scanner|gerat"
    r"|geraet|device|vendor|hersteller|manufacturer|model|field|series|serie|sequen\w*|protocol|protokoll|files?"
    r"|datei|path|quality|qualitat|qualitaet|dates?|datum|dag|fecha|data|time|days|tage|months?|monate?|age|alter"
    r"|weight|gewicht|therap\w*|treat\w*|behand\w*|medic\w*|medik\w*|stages?|stadium|stade|estadio|grades?|score"
    r"|pain|schmerz\w*|status|response|result|ergebnis|progress\w*|collapse|kollaps|effects?|outcome|type|typ"
    r"|time[ ]?points?|visits?|visite|sessions?|exam\w*|phase|untersuchung|lfd nr|row|line|index|zeile"
    r"|diameter|durchmesser|area|flache|flaeche|length|lange|laenge|width|breite|size|grosse|groesse|volumen?"
    r"|volumes?|percent|prozent|count|anzahl|max|mean|slices?|schichten|thickness|spacing|dose|edema|oedema"
)
_UNIT = r"units?|einheit(?:en)?|unites?|unidad(?:es)?|unita"


def about(name: str) -> About:
    """Return what a column is about: a person, a tracing, a visit (as stages are), a unit; else nothing.

    Examples
    --------
    >>> [about(name) for name in ("Geburtsdatum", "Hüfte", "lesion_no", "Lesion size", "ARCO stage", "x")]
    ['person', 'tracing', 'tracing', 'visit', 'visit', '']
    """
    spaced = re.sub(r"(?<=[a-zà-ÿ])(?=[A-Z])", " ", name)
    plain = unicodedata.normalize("NFKD", spaced.casefold().replace("ß", "ss"))
    words = " ".join(re.findall(r"[a-z]+", "".join(c for c in plain if not unicodedata.combining(c))))
    if re.search(rf"\b(?:{_PERSON})\b|\b(?:birth|geburts|geb dat)", words):
        return "person"
    if re.fullmatch(rf"(?:[a-z]+ )?(?:{_UNIT})(?: [a-z]+)?", words):
        return "unit"
    if re.search(rf"\b(?:{_VISIT})\b", words):
        return "visit"
    if re.search(
        rf"\b(?:{_TRACING})\b|\b(?:seiten|huft|lasions?|laesions?|tumor|organ)(?=[a-z]{{2}})", words
    ):
        return "tracing"
    return ""
