"""FHIR R4: reading a hospital's resources into the circle, again and again, without losing what was there."""
