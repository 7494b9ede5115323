"""The command line that makes the page's quantised networks: what it refuses."""

import pytest

from mlx_train.tools import quantized


def test_an_unknown_model_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        quantized.main(["ur-29", "file.json"])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: unknown model 'ur-29'; did you mean ur-29k? (known: ur-3k, ")


def test_a_file_of_another_model_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(quantized, "open_table", lambda *arguments: None)
    file = str(quantized.WEIGHTS / "quantized/ur-3k.json")
    with pytest.raises(SystemExit) as ended:
        quantized.main(["ur-29k", file])
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"error: {file} was made from ur-3k.json, not from ur-29k.json\n"


def test_other_words_are_wrong_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        quantized.main(["ur-29k"])
    assert ended.value.code == 2
    assert "python -m mlx_train.tools.quantized NAME FILE" in capsys.readouterr().err
