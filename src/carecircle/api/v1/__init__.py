"""The routes under /v1: everything around the patient, one file for each kind of thing."""
