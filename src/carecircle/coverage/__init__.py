"""Standing in: coverage arrangements, rotas, absences, and who is responsible for a patient at an instant."""
