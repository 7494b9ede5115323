// The rule sets as data: the paths over the board's tiles, rosettes, pieces, dice. The rules themselves are the engine's.
//
// A tile is named as RoyalUr names it, by its column A to C and its row from 1. The first player, Blue, walks `path`; the
// second, Orange, walks the same path with the columns A and C exchanged. Path square s is the s-th tile of a path,
// square 0 is the hand, and `off` is the square behind the last tile.

const BELL = "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 B8 A8 A7";
const MASTERS = "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 C7 C8 B8 A8 A7";
const ASEB = "A4 A3 A2 A1 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12";
const FOUR_DICE = { count: 4, none: 0 }; // `none`: what a throw without a marked tip counts
const THREE_DICE = { count: 3, none: 4 };

export const HAND = 0;

const mirrored = (tile) => ({ A: "C", B: "B", C: "A" })[tile[0]] + tile.slice(1);

class RuleSet {
  constructor(
    name,
    title,
    { path, rosettes, pieces = 7, dice = FOUR_DICE, safe = true, captureRolls = false, board = "standard" },
  ) {
    /** Its name in records, and for a person. */
    this.name = name;
    this.title = title;
    this.pieces = pieces;
    this.dice = dice;
    this.rolls = Array.from({ length: dice.count + 1 }, (_, tips) => tips || dice.none).sort(
      (one, other) => one - other,
    );
    this.safe = safe; // whether a piece on a shared rosette can't be captured
    this.captureRolls = captureRolls;
    this.board = board; // the board's shape in RoyalUr's files
    const light = path.split(" ");
    this.paths = [light, light.map(mirrored)];
    this.last = light.length;
    this.off = light.length + 1;
    this.rosettes = new Set(rosettes.split(" ").flatMap((tile) => [tile, mirrored(tile)]));
    this.tiles = [...new Set(this.paths.flat())];
    this.rows = Math.max(...this.tiles.map((tile) => Number(tile.slice(1))));
  }

  /** The tile of a player's path square. */
  tile(player, square) {
    return this.paths[player][square - 1];
  }

  /** A player's path square of a tile; 0 if the path does not have the tile. */
  square(player, tile) {
    return this.paths[player].indexOf(tile) + 1;
  }

  /** Whether both paths have the tile. */
  isShared(tile) {
    return this.paths.every((path) => path.includes(tile));
  }

  /** What is on a path square, as a word: "hand", "7", "off". */
  word(square) {
    if (square === HAND) return "hand";
    return square === this.off ? "off" : String(square);
  }
}

export const RULE_SETS = Object.fromEntries(
  [
    new RuleSet("finkel", "Finkel", { path: BELL, rosettes: "A1 B4 A7" }),
    new RuleSet("blitz", "Blitz", { path: MASTERS, rosettes: "A1 B4 A7", pieces: 5, safe: false, captureRolls: true }),
    new RuleSet("masters", "Masters", { path: MASTERS, rosettes: "A1 B4 A7", dice: THREE_DICE, safe: false }),
    new RuleSet("aseb", "Aseb", { path: ASEB, rosettes: "A1 B4 B8 B12", pieces: 5, board: "aseb" }),
  ].map((rules) => [rules.name, rules]),
);

/** The rule set of a name. Throws for a name that is not known. */
export function ruleSet(name) {
  if (!Object.hasOwn(RULE_SETS, name))
    throw new Error(`rules ${JSON.stringify(name)} are not known, only ${Object.keys(RULE_SETS).join(", ")}`);
  return RULE_SETS[name];
}

/** The path squares of a mask, ascending. */
export function squaresOf(mask) {
  return Array.from({ length: 31 }, (_, square) => square).filter((square) => (mask >> square) & 1);
}

/** A position seen by the other side; the position itself if `player` is 0, so that player 0 sees the result. */
export function seenByFirst(position, player) {
  const { own, opp, ownOff, oppOff } = position;
  return player === 0 ? position : { ...position, own: opp, opp: own, ownOff: oppOff, oppOff: ownOff };
}
