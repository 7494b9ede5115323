PRESETS: dict[str, dict[str, float]]
