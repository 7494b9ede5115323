"""What developers run: benchmarks, the machine's examination, the documents' pictures, notebooks, a browser."""
