"""The program: `mlx-ur`, and `python -m mlx_train`."""

import sys


def main() -> None:
    """Run the command line; a package that is not installed becomes one line on stderr."""
    try:
        from mlx_train import cli

        cli.main()
    except ModuleNotFoundError as error:
        if "--version" in sys.argv[1:2]:
            from mlx_train.system.version import version_line

            print(version_line())
            return
        from engine.machine.installation import install_advice  # loads the engine, which `--help` does not need

        advice = install_advice(error.name)
        if advice is None:
            raise
        sys.exit(f"error: {advice}")


if __name__ == "__main__":
    main()
