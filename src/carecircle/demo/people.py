"""Who works in the demo's two organizations, and the names its patients are drawn from. Nobody here exists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """A provider: `short` is the identifier commands use, `team` the ward or clinic team with the role there."""

    short: str
    name: str
    role: str
    specialty: str
    team: str = ""
    seat: str = "member"


@dataclass(frozen=True, slots=True)
class House:
    """An organization: patients are numbered `<letter>-0001` and so on; `wards` look after whoever lies there."""

    slug: str
    name: str
    letter: str
    patients: int
    wards: tuple[str, ...]
    people: tuple[Person, ...]

    def of(self, role: str) -> list[Person]:
        return [person for person in self.people if person.role == role]


NORTH = House(
    "north-hospital", "North Hospital", "N", 2200,
    ("Ward 2 Cardiology", "Ward 3 Surgery", "Ward 4 General medicine", "Ward 5 Maternity"),
    (
        Person("okafor", "Dr. Adaeze Okafor", "family", "general practice"),
        Person("brandt", "Dr. Jonas Brandt", "family", "general practice"),
        Person("haddad", "Dr. Rima Haddad", "family", "general practice"),
        Person("nakamura", "Dr. Kenji Nakamura", "family", "general practice"),
        Person("kowalska", "Dr. Ewa Kowalska", "family", "general practice"),
        Person("mensah", "Dr. Kofi Mensah", "family", "general practice"),
        Person("rossi", "Dr. Chiara Rossi", "specialist", "cardiology", "Ward 2 Cardiology", "attending"),
        Person("lindqvist", "Dr. Karin Lindqvist", "specialist", "dermatology"),
        Person("petrov", "Dr. Ilya Petrov", "specialist", "cardiology", "Ward 2 Cardiology", "attending"),
        Person("alvarez", "Dr. Marta Alvarez", "specialist", "surgery", "Ward 3 Surgery", "attending"),
        Person("dubois", "Dr. Luc Dubois", "specialist", "surgery", "Ward 3 Surgery", "attending"),
        Person("singh", "Dr. Harpreet Singh", "specialist", "internal medicine", "Ward 4 General medicine", "attending"),
        Person("oyelaran", "Dr. Tunde Oyelaran", "specialist", "internal medicine", "Ward 4 General medicine", "attending"),
        Person("fischer", "Dr. Anna Fischer", "specialist", "obstetrics", "Ward 5 Maternity", "attending"),
        Person("novak", "Dr. Petr Novak", "specialist", "oncology"),
        Person("yilmaz", "Dr. Selin Yilmaz", "specialist", "endocrinology"),
        Person("costa", "Dr. Bruno Costa", "resident", "cardiology", "Ward 2 Cardiology", "resident"),
        Person("wright", "Dr. Ella Wright", "resident", "surgery", "Ward 3 Surgery", "resident"),
        Person("bakker", "Dr. Sanne Bakker", "resident", "internal medicine", "Ward 4 General medicine", "resident"),
        Person("moreau", "Claire Moreau", "nurse", "cardiac nursing", "Ward 2 Cardiology", "nurse"),
        Person("tanaka", "Yui Tanaka", "nurse", "cardiac nursing", "Ward 2 Cardiology", "nurse"),
        Person("obrien", "Sean O'Brien", "nurse", "surgical nursing", "Ward 3 Surgery", "nurse"),
        Person("khan", "Amina Khan", "nurse", "medical nursing", "Ward 4 General medicine", "nurse"),
        Person("silva", "Joana Silva", "nurse", "medical nursing", "Ward 4 General medicine", "nurse"),
        Person("berg", "Ingrid Berg", "nurse", "midwifery", "Ward 5 Maternity", "nurse"),
        Person("adler", "Miriam Adler", "therapist", "physiotherapy", "Ward 3 Surgery", "specialist"),
        Person("lehmann", "Dr. Hanna Lehmann", "emergency physician", "emergency medicine"),
        Person("lange", "Dr. Tobias Lange", "emergency physician", "emergency medicine"),
        Person("reyes", "Dr. Marisol Reyes", "emergency physician", "emergency medicine"),
        Person("boateng", "Abena Boateng", "emergency nurse", "emergency nursing"),
        Person("karimi", "Nadia Karimi", "duty manager", ""),
        Person("amsel", "Ruth Amsel", "privacy officer", ""),
    ),
)  # fmt: skip

HARBOUR = House(
    "harbour-clinic", "Harbour Clinic", "H", 800,
    ("Day surgery", "Dialysis"),
    (
        Person("ito", "Dr. Sakura Ito", "family", "general practice"),
        Person("campbell", "Dr. Fiona Campbell", "family", "general practice"),
        Person("farouk", "Dr. Omar Farouk", "family", "general practice"),
        Person("jansen", "Dr. Pieter Jansen", "family", "paediatrics"),
        Person("weiss", "Dr. Lea Weiss", "specialist", "nephrology", "Dialysis", "attending"),
        Person("marin", "Dr. Ana Marin", "specialist", "nephrology", "Dialysis", "attending"),
        Person("clarke", "Dr. David Clarke", "specialist", "orthopaedics", "Day surgery", "attending"),
        Person("popescu", "Dr. Ioana Popescu", "specialist", "ophthalmology", "Day surgery", "attending"),
        Person("dlamini", "Dr. Thabo Dlamini", "specialist", "psychiatry"),
        Person("larsen", "Dr. Nils Larsen", "resident", "orthopaedics", "Day surgery", "resident"),
        Person("gomez", "Lucia Gomez", "nurse", "renal nursing", "Dialysis", "nurse"),
        Person("hughes", "Rhys Hughes", "nurse", "renal nursing", "Dialysis", "nurse"),
        Person("zhang", "Mei Zhang", "nurse", "surgical nursing", "Day surgery", "nurse"),
        Person("virtanen", "Aino Virtanen", "therapist", "dietetics", "Dialysis", "specialist"),
    ),
)  # fmt: skip

HOUSES = (NORTH, HARBOUR)
HOW_MANY = sum(len(house.people) for house in HOUSES)
"""The providers of both."""

GIVEN = (
    "Amara", "Ben", "Chloe", "Daniel", "Elif", "Felix", "Grace", "Hugo", "Ines", "Jakub", "Kira", "Leon", "Maya",
    "Noah", "Olga", "Pablo", "Quinn", "Rosa", "Samir", "Tess", "Umar", "Vera", "Wim", "Xenia", "Yusuf", "Zoe",
)  # fmt: skip
FAMILY = (
    "Abbott", "Baran", "Castro", "Dahl", "Ekholm", "Ferreira", "Gallo", "Hoang", "Ivanova", "Jensen", "Keller",
    "Laine", "Moretti", "Nagy", "Olsen", "Park", "Quist", "Rahman", "Sato", "Tesfaye", "Ueda", "Vega", "Wolff", "Young",
)  # fmt: skip
