"""`python -m mlx_train`."""

from mlx_train.cli import main

if __name__ == "__main__":
    main()
