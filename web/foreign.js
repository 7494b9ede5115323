// Two formats of other programs: the `.ur` files of jheled/royalur, and the JSON of the browser game of
// tre-systems/rgou-cloudflare. Both play Finkel's rules.
import { Replay } from "./records.js";
import { HAND, RULE_SETS, seenByFirst } from "./rules.js";

const rules = RULE_SETS.finkel;

// --- jheled: a line a turn, "X: 4 e" -----------------------------------------------------------------------------------

const JHELED_PATH = "abcd12345678yz"; // of X; O writes the letters in capitals
const JHELED_TURN = /^([XO])\s*:\s*(?:(wins)|([0-4])(?:\s+(\S))?)$/i;
const JHELED_NAMES = /^X is (.+?),? O is (.+)$/;
const JHELED_BOARD = /^Board:\s*"?(\S{5})"?$/;
const BOARD_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

export function readJheled(ur, text) {
  const names = { X: "X", O: "O" };
  let start; // seen by X
  let first = null;
  let replay = null;
  text.split("\n").forEach((raw, index) => {
    const line = raw.trim();
    if (!line || line.startsWith("#")) return;
    try {
      const [board, players] = [JHELED_BOARD, JHELED_NAMES].map((form) => !replay && form.exec(line));
      const turn = JHELED_TURN.exec(line.split(" #")[0].trim());
      if (board) start = boardOf(board[1]);
      else if (players) [, names.X, names.O] = players;
      else if (turn) {
        first ??= turn[1].toUpperCase();
        replay ??= new Replay(ur, rules, first === "X" || !start ? start : seenByFirst(start, 1));
        takeJheled(replay, turn, turn[1].toUpperCase() === first ? 0 : 1);
      } else throw new Error(`expected 'X: <roll> <square>' or 'O: <roll>', got '${line.slice(0, 40)}'`);
    } catch (error) {
      throw new Error(`line ${index + 1}: ${error.message}`);
    }
  });
  if (!replay) throw new Error("there is no turn in the file");
  return replay.record("jheled .ur", first === "X" ? [names.X, names.O] : [names.O, names.X]);
}

function takeJheled(replay, [, letter, wins, roll, sign], player) {
  const side = letter.toUpperCase();
  const other = side === "X" ? "O" : "X";
  if (wins && replay.over) return replay.checkWinner(player, (each) => (each === player ? side : other));
  if (wins) return replay.end("stopped", player);
  if (!replay.over && player !== replay.player) throw new Error(`it is not ${side}'s turn`);
  if (sign === undefined) return replay.turn(Number(roll), null);
  const square = sign.toLowerCase() === "e" ? HAND : JHELED_PATH.indexOf(sign.toLowerCase()) + 1 || null;
  if (square === null) throw new Error(`'${sign}' is no square`);
  replay.turn(Number(roll), square);
}

/**
 * The position of a board's code, seen by X: 31 bits in base 85, the lowest digit first. The bits are, from the highest:
 * X's hand (3), X's private squares (6), O's hand (3), O's private squares (6), and the shared squares as a number of eight
 * digits in base 3 (13), where 0 is O's piece and 2 is X's.
 */
function boardOf(code) {
  const number = [...code].reduce((sum, digit, place) => sum + BOARD_DIGITS.indexOf(digit) * 85 ** place, 0);
  const bits = number.toString(2).padStart(31, "0");
  const lane = Number.parseInt(bits.slice(18), 2);
  if ([...code].some((digit) => !BOARD_DIGITS.includes(digit)) || bits.length > 31 || lane >= 3 ** 8)
    throw new Error(`'${code}' is no code of a board`);
  const shared = lane.toString(3).padStart(8, "0");
  const [own, opp] = [
    [bits.slice(0, 9), "2"],
    [bits.slice(9, 18), "0"],
  ].map(([part, sign]) => {
    const squares = [
      ...part.slice(3, 7),
      ...[...shared].map((digit) => (digit === sign ? "1" : "0")),
      ...part.slice(7),
    ];
    const mask = squares.reduce((sum, bit, i) => sum | (Number(bit) << (i + 1)), 0);
    const placed = squares.filter((bit) => bit === "1").length;
    return { mask, off: rules.pieces - Number.parseInt(part.slice(0, 3), 2) - placed };
  });
  return { own: own.mask, opp: opp.mask, ownOff: own.off, oppOff: opp.off };
}

// --- the browser game: 20 squares, -1 the hand, 20 borne off ----------------------------------------------------------

const RGOU_PATHS = {
  player1: [3, 2, 1, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
  player2: [19, 18, 17, 16, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15],
};

export function readRgou(ur, { history, winner }) {
  const replay = new Replay(ur, rules);
  const names = history[0]?.player === "player2" ? ["player2", "player1"] : ["player1", "player2"];
  history.forEach((entry, index) => {
    try {
      takeRgou(replay, entry, names);
    } catch (error) {
      throw new Error(`history[${index}]: ${error.message}`);
    }
  });
  const claimed = names.indexOf(winner);
  if (replay.over) replay.checkWinner(claimed < 0 ? replay.winner : claimed, (player) => names[player]);
  else if (claimed >= 0) replay.end("stopped", claimed);
  return replay.record("browser game's JSON", names);
}

function takeRgou(replay, entry, names) {
  const player = names.indexOf(entry?.player);
  if (player < 0) throw new Error(`player must be player1 or player2, got ${JSON.stringify(entry?.player ?? null)}`);
  // A pass is not recorded. That it happened follows from whose turn is next; that its roll was 0 is a guess.
  if (!replay.over && player !== replay.player) replay.turn(0, null);
  const { diceRoll: roll, fromSquare, toSquare } = entry;
  const square = rgouSquare(entry, "fromSquare", -1, HAND);
  const target = rgouSquare(entry, "toSquare", 20, rules.off);
  replay.turn(roll, square);
  if (target !== square + roll) throw new Error(`a roll of ${roll} from ${fromSquare} does not lead to ${toSquare}`);
}

/** The path square of a board's square; `there` for the number `end`. */
function rgouSquare(entry, key, end, there) {
  const { player, [key]: value } = entry;
  if (value === end) return there;
  const square = RGOU_PATHS[player].indexOf(value) + 1;
  if (square === 0) throw new Error(`${player} does not walk square ${JSON.stringify(value)}`);
  return square;
}
