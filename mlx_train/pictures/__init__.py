"""Drawings of measures, trainings and games. Nothing is measured here."""
