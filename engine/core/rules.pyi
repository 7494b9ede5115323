from dataclasses import dataclass

MAX_ROLL: int
RULE_SETS: tuple[str, ...]
DICE_OUTCOMES: int

@dataclass(frozen=True, kw_only=True)
class RuleSet:
    name: str
    pieces: int
    borne_off: int
    shared: tuple[int, ...]
    theirs: tuple[int | None, ...]
    rosettes: tuple[int, ...]
    safe: tuple[int, ...]
    ways: tuple[int, ...]
    capture_grants_roll: bool
    paths: tuple[tuple[str, ...], tuple[str, ...]]
    @property
    def squares(self) -> int: ...
    @property
    def rolls(self) -> tuple[int, ...]: ...
    @property
    def probabilities(self) -> tuple[float, ...]: ...
    @property
    def rows(self) -> int: ...

def rules(name: str = "finkel") -> RuleSet: ...
def check_same(first: str, second: str, first_name: str, second_name: str) -> None: ...
