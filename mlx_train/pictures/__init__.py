"""Drawings of measures, trainings and games, in one style. Measuring does not belong here."""
