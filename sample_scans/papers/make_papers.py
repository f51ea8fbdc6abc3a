"""Make two synthetic cohorts in the shape of two papers. Nobody in them exists.

Counts are those that the papers print; means and standard deviations are near them; single patients are drawn
from a seeded generator. ``--check`` writes nothing and names what differs.

The osteonecrosis cohort (Sci Rep 2024;14:4183) is written as a hospital might: semicolons, decimal commas,
days first, two spellings. The lumbar cohort has a row per patient.
"""

from __future__ import annotations

import csv
import io
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
Values = NDArray[np.float64]
Row = dict[str, Any]


def sample(rng: np.random.Generator, n: int, mean: float, sd: float, low: float, high: float) -> Values:
    """Return n numbers of about that mean and SD within limits."""
    values = rng.standard_normal(n)
    values = (values - values.mean()) / values.std(ddof=1) if n > 1 else values
    return np.clip(mean + sd * values, low, high)


def after(rng: np.random.Generator, before: Values, mean: float, sd: float, r: float = 0.5) -> Values:
    """Return scores that correlate with earlier ones, of about that mean and SD, between 0 and 100."""
    z = (before - before.mean()) / before.std(ddof=1)
    mixed = r * z + (1 - r**2) ** 0.5 * rng.standard_normal(len(before))
    mixed = (mixed - mixed.mean()) / mixed.std(ddof=1)
    return np.clip(mean + sd * mixed, 0, 100)


# -- the osteonecrosis cohort -----------------------------------------------------------------------------


#: Per group: unilateral, bilateral; men with one, with two hips; stage I and II hips; those collapsed by
#: stage; replaced by stage; lesions central; classes of change (increase, none, decrease).
HIPS: dict[str, dict[str, Any]] = {
    "denosumab": {
        "patients": (62, 42), "men": (39, 25), "stages": (19, 127), "collapsed": (2, 34),
        "replaced": (4, 19), "central": 20, "aetiology": (52, 42, 52), "classes": (13, 40, 57),
        "age": (51.7, 13, 19, 79), "bmi": (23.2, 3.2, 17.2, 34.4), "follow_up": (1.9, 0.5, 1, 3.2),
        "volume": (13.74, 7.35), "changes": ((15.4, 45), (-14, 14), (-15.1, -45)),
        "scores": {1: ((60.1, 16), (52.9, 16.4), (24.3, 14.3), (28.7, 19.4)),
                   0: ((67.1, 19.6), (73.7, 17), (18.2, 13.5), (13.8, 12.5))},
    },
    "control": {
        "patients": (34, 46), "men": (24, 33), "stages": (9, 117), "collapsed": (9, 39),
        "replaced": (4, 25), "central": 24, "aetiology": (35, 54, 37), "classes": (26, 36, 12),
        "age": (55.1, 14, 18, 83), "bmi": (24.1, 3.4, 18.1, 35), "follow_up": (2.1, 1.0, 1, 5.6),
        "volume": (11.37, 7.83), "changes": ((15.4, 60), (-14, 10), (-15.4, -40)),
        "scores": {1: ((62.2, 16.9), (47.9, 14), (22.5, 8.8), (48.9, 14.2)),
                   0: ((74.2, 18.1), (69.3, 17.4), (21.1, 14.3), (27.3, 13.7))},
    },
}  # fmt: skip


def hips_of(group: str, rng: np.random.Generator, first: int) -> list[Row]:
    """Return the hips of one group, with numbers as numbers."""
    g = HIPS[group]
    uni, bi = g["patients"]
    rows: list[Row] = []
    ages = sample(rng, uni + bi, *g["age"])
    bmis = sample(rng, uni + bi, *g["bmi"])
    for number in range(uni + bi):
        two = number >= uni
        man = (number - uni < g["men"][1]) if two else number < g["men"][0]
        sides = ("L", "R") if two else (rng.choice(["L", "R"]),)
        own = {
            "patient": f"P{first + number:03}", "group": group, "sex": "M" if man else "F",
            "age": round(ages[number]), "bmi": round(bmis[number], 1),
        }  # fmt: skip
        rows += [{**own, "side": str(side)} for side in sides]
    n = len(rows)
    order = rng.permutation(n)
    stage = np.full(n, "II", dtype=object)
    stage[order[: g["stages"][0]]] = "I"
    collapsed = np.zeros(n, dtype=int)
    replaced = np.zeros(n, dtype=int)
    for name, k, t in zip(("I", "II"), g["collapsed"], g["replaced"], strict=True):
        own = [row for row in order if stage[row] == name]
        collapsed[own[:k]] = 1
        replaced[own[:t]] = 1
    aetiology = np.repeat(["idiopathic", "steroid", "alcohol"], g["aetiology"])[rng.permutation(n)]
    central = np.zeros(n, dtype=int)
    central[rng.permutation(n)[: g["central"]]] = 1
    years = sample(rng, n, *g["follow_up"])
    v0 = np.clip(sample(rng, n, *g["volume"], 1.2, 60), 1.2, 60)
    scores = _scores(rng, collapsed, g["scores"])
    change = _changes(rng, collapsed, g)
    for i, row in enumerate(rows):
        row |= _hip(rng, stage[i], collapsed[i], replaced[i], years[i])
        row |= {
            "aetiology": str(aetiology[i]), "location": "central" if central[i] else "lateral",
            "volume0": round(v0[i], 2),
            "volume1": None if np.isnan(change[i]) else round(v0[i] * (1 + change[i] / 100), 2),
            **{name: round(float(scores[name][i]), 1) for name in scores},
        }  # fmt: skip
    return rows


def _scores(rng: np.random.Generator, collapsed: NDArray[np.int64], printed: Any) -> dict[str, Values]:
    found = {name: np.zeros(len(collapsed)) for name in ("hhs0", "hhs1", "womac0", "womac1")}
    for failed, (h0, h1, w0, w1) in printed.items():
        own = np.flatnonzero(collapsed == failed)
        for (name0, name1), (before, later) in zip(
            (("hhs0", "hhs1"), ("womac0", "womac1")), ((h0, h1), (w0, w1)), strict=True
        ):
            first = sample(rng, len(own), *before, 0, 100)
            found[name0][own] = first
            found[name1][own] = after(rng, first, *later)
    return found


def _changes(rng: np.random.Generator, collapsed: NDArray[np.int64], g: Any) -> Values:
    """Return the change of volume in percent; NaN where no film was taken (collapse, or no second MRI)."""
    change = np.full(len(collapsed), np.nan)
    whole = rng.permutation(np.flatnonzero(collapsed == 0))
    place = 0
    for number, (low, high) in zip(g["classes"], g["changes"], strict=True):
        change[whole[place : place + number]] = np.linspace(low, high, number)
        place += number
    return change


def _hip(rng: np.random.Generator, stage: str, collapsed: int, replaced: int, years: float) -> Row:
    start = date(2018, 2, 1) + timedelta(days=int(rng.integers(0, 690)))
    days = round(years * 365.25)
    when = int(rng.uniform(0.25, 0.95) * days)
    collapse = start + timedelta(days=when) if collapsed else None
    tha = start + timedelta(days=min(days, when + int(rng.integers(20, 120)))) if replaced else None
    worst, mild = rng.uniform(2.0, 6.0), rng.uniform(0.0, 1.4, 2)
    views = [worst if collapsed else mild[0], mild[1]]
    if rng.integers(2):
        views.reverse()
    ap, lateral = rng.uniform(0.0, 0.4, 2)
    return {
        "start": start, "collapse_date": collapse, "tha_date": tha, "last": start + timedelta(days=days),
        "mri": "yes", "xray": "yes" if stage == "II" else "no", "fracture": "no", "depression": 0.0,
        "arthritis": "no", "arco_read": stage, "immunosuppressed": "no",
        "ap0": round(ap, 1), "ap1": round(round(ap, 1) + np.ceil(views[0] * 10) / 10, 1),
        "lat0": round(lateral, 1), "lat1": round(round(lateral, 1) + np.ceil(views[1] * 10) / 10, 1),
    }  # fmt: skip


def excluded(rng: np.random.Generator, hips: list[Row]) -> list[Row]:
    """Return hips that were screened and are not eligible, and why."""
    rows = []
    for number in range(16):
        row = dict(hips[int(rng.integers(len(hips)))])
        row |= {"patient": f"X{number + 1:03}", "side": "L"}
        if number < 3:
            row["age"] = 15 + number
        elif number < 9:
            row |= {"fracture": "yes", "depression": 1.5 + number / 10, "arco_read": "IIIA"}
        elif number < 13:
            row["last"] = row["start"] + timedelta(days=100 + 20 * number)
            row |= {"collapse_date": None, "tha_date": None}
        else:
            row["immunosuppressed"] = "yes"
        rows.append(row)
    return rows


#: Column names of the hospital, by those used here.
HOSPITAL = {
    "patient": "Pat. ID", "side": "Side", "group": "Drug", "sex": "Sex", "age": "Age", "bmi": "BMI",
    "start": "First seen", "last": "Last seen", "collapse_date": "Collapse seen", "tha_date": "THA",
    "aetiology": "Aetiology", "location": "Location", "immunosuppressed": "Immunosuppressed",
    "mri": "MRI band", "xray": "Film abnormal", "fracture": "Fracture", "depression": "Depression mm",
    "arthritis": "Arthritis", "arco_read": "ARCO read", "ap0": "AP before", "ap1": "AP after",
    "lat0": "Frog before", "lat1": "Frog after", "volume0": "Volume before", "volume1": "Volume after",
    "hhs0": "HHS before", "hhs1": "HHS after", "womac0": "WOMAC before", "womac1": "WOMAC after",
}  # fmt: skip


def hospital_cell(name: str, value: Any, number: int) -> str:
    """Return a cell as the hospital writes it."""
    if value is None:
        return "n.m." if name == "volume1" else ""
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    if name == "volume0" and number % 50 == 7:
        return f"{value:.2f} cm3".replace(".", ",")
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".").replace(".", ",")
    text = str(value)
    if name == "side":
        return {"L": "li", "R": "re"}[text]
    if name in ("mri", "xray", "fracture", "arthritis", "immunosuppressed"):
        return {"yes": "ja", "no": "nein"}[text]
    if name == "aetiology" and text == "alcohol" and number % 9 == 0:
        return "Alcohol"
    return text


def osteonecrosis() -> bytes:
    """Return the table of hips."""
    rng = np.random.default_rng(20240220)
    hips = [*hips_of("denosumab", rng, 1), *hips_of("control", rng, 201)]
    hips += excluded(rng, hips)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(HOSPITAL.values())
    for number, row in enumerate(hips):
        writer.writerow([hospital_cell(name, row[name], number) for name in HOSPITAL])
    return text.getvalue().encode()


# -- the lumbar cohort ------------------------------------------------------------------------------------

LUMBAR = (
    "id", "denosumab", "age", "sex", "bmi", "t_score", "follow_up_months", "flexion", "extension",
    "disc_height_reference_mm", "disc_height_1y_mm", "osteolysis", "vas_1y", "vas_2y", "operated", "oozing",
    "last_visit",
)  # fmt: skip

#: Of the 50 matched patients a group: nonunions, subsidences, osteolyses, oozing; means and SDs.
MATCHED = {
    0: {"nonunion": 8, "subsidence": 16, "osteolysis": 18, "oozing": 15, "follow_up": (16.6, 3.3),
        "bmi": (25.0, 3.7), "flexion": (9.4, 7.2), "vas1": (2.1, 1.2), "vas2": (2.8, 1.6)},
    1: {"nonunion": 4, "subsidence": 8, "osteolysis": 4, "oozing": 5, "follow_up": (16.2, 3.4),
        "bmi": (24.3, 3.4), "flexion": (8.5, 7.5), "vas1": (1.7, 1.8), "vas2": (2.3, 1.5)},
}  # fmt: skip


def lumbar_patients(rng: np.random.Generator) -> list[Row]:
    """Return 251 patients: 50 treated with a twin each, 10 treated like nobody, 141 other controls."""
    ages = sample(rng, 50, 67.1, 7.9, 50, 85)
    scores = sample(rng, 50, -2.3, 0.55, -4.0, -1.1)
    men = rng.permutation(50) < 7
    rows: list[Row] = []
    for drug in (1, 0):
        for i in range(50):
            man = bool(men[i])
            age = round(float(ages[i]) + 0.002 * drug, 3)
            rows.append(
                {"denosumab": drug, "age": age, "sex": "M" if man else "F",
                 "t_score": round(float(scores[i]), 2), "set": "matched"}
            )  # fmt: skip
    rows += [
        {"denosumab": 1, "age": 87.0 + i / 4, "sex": "F", "t_score": -4.6 - i / 20, "set": "other"}
        for i in range(10)
    ]
    rows += [
        {"denosumab": 0, "age": round(float(rng.uniform(50, 72)), 1),
         "sex": "M" if rng.integers(4) == 0 else "F",
         "t_score": round(float(rng.uniform(-2.6, -1.0)), 2), "set": "other"}
        for _ in range(141)
    ]  # fmt: skip
    return rows


def lumbar() -> bytes:
    """Return the table of patients."""
    rng = np.random.default_rng(20172021)
    rows = lumbar_patients(rng)
    for drug in (0, 1):
        for name in ("matched", "other"):
            own = [row for row in rows if row["denosumab"] == drug and row["set"] == name]
            _outcomes(rng, own, MATCHED[drug])
    order = rng.permutation(len(rows))
    text = io.StringIO()
    writer = csv.DictWriter(text, LUMBAR, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for number, place in enumerate(order, start=1):
        writer.writerow({**rows[place], "id": f"S{number:03}"})
    return text.getvalue().encode()


def _outcomes(rng: np.random.Generator, rows: list[Row], printed: Any) -> None:
    n = len(rows)
    share = n / 50

    def chosen(name: str) -> set[int]:
        return set(rng.permutation(n)[: round(share * printed[name])].tolist())

    nonunion, subsided, osteolysis, oozing = (
        chosen(name) for name in ("nonunion", "subsidence", "osteolysis", "oozing")
    )
    months = sample(rng, n, *printed["follow_up"], 12, 26)
    bmi = sample(rng, n, *printed["bmi"], 17, 38)
    flexion = sample(rng, n, *printed["flexion"], -4, 30)
    vas1, vas2 = (sample(rng, n, *printed[name], 0, 10) for name in ("vas1", "vas2"))
    for i, row in enumerate(rows):
        angle = rng.uniform(4.2, 7.0) if i in nonunion else rng.uniform(-0.6, 2.0)
        height = round(float(rng.uniform(9, 13)), 1)
        loss = rng.uniform(2.0, 4.0) if i in subsided else rng.uniform(0.0, 1.8)
        loss = np.ceil(loss * 10) / 10 if i in subsided else np.floor(loss * 10) / 10
        extended = round(float(flexion[i]) + round(angle, 1), 1)
        operated = date(2017, 3, 1) + timedelta(days=int(rng.integers(0, 1500)))
        days = int(rng.integers(1, 6 if row["denosumab"] else 12))
        row |= {
            "bmi": round(float(bmi[i]), 1), "follow_up_months": round(float(months[i]), 1),
            "flexion": round(float(flexion[i]), 1), "extension": extended,
            "disc_height_reference_mm": height, "disc_height_1y_mm": round(height - loss, 1),
            "osteolysis": int(i in osteolysis), "vas_1y": round(float(vas1[i]), 1),
            "vas_2y": round(float(vas2[i]), 1), "operated": operated.isoformat(),
            "oozing": (operated + timedelta(days=days)).isoformat() if i in oozing else "",
            "last_visit": (operated + timedelta(days=round(float(months[i]) * 30.4375))).isoformat(),
        }  # fmt: skip


# -- files ------------------------------------------------------------------------------------------------


def tables() -> dict[str, bytes]:
    """Return the files by name."""
    return {"onfh_hips.csv": osteonecrosis(), "plif_patients.csv": lumbar()}


def main() -> int:
    """Write or check the tables; 1 if one differs."""
    check = "--check" in sys.argv[1:]
    stale = 0
    for name, content in tables().items():
        path = HERE / name
        if path.exists() and path.read_bytes() == content:
            continue
        stale += 1
        sys.stderr.write(f"{'differs' if check else 'written'}: {name}\n")
        if not check:
            path.write_bytes(content)
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
