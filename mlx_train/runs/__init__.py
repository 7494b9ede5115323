"""Work that leaves a folder of files: the phases of a run, the search for settings, compression, the shipped
models.
"""
