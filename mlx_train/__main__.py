"""`python -m mlx_train`."""

import sys

if __name__ == "__main__":
    try:
        from mlx_train.cli import main
    except ModuleNotFoundError as error:
        if error.name != "typer":  # the first import that needs the extra `train`
            raise
        sys.exit("error: this Python has not got the training's packages: `. .venv/bin/activate`, or make run first")
    main()
