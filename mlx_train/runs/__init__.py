"""Commands whose work leaves a folder or a model: runs, the search for settings, compression, conversion, the shipped
models. The training itself and the measures do not belong here.
"""
