// The two formats of RoyalUr: its JSON, versions 1 and 2, and RGN. Light is the first player of a usual game.
import { Replay } from "./records.js";
import { HAND, RULE_SETS } from "./rules.js";

const SIDES = ["L", "D"];
const NAMES = { L: "light", D: "dark" };
const OLD_SPELLINGS = { FourBinary: "four_binary", ThreeBinary0Max: "three_binary_0eq4" };
const DICE = { four_binary: 0, three_binary_0eq4: 4 }; // what a throw without a marked tip counts
const PATHS = { finkel: "bell", blitz: "masters", masters: "masters", aseb: "aseb" };

const lower = (text) => String(OLD_SPELLINGS[text] ?? text).toLowerCase();
const show = (value) => JSON.stringify(value) ?? "nothing";

// --- JSON --------------------------------------------------------------------------------------------------------------

/** What RoyalUr's JSON says about a rule set. */
function settingsOf(rules) {
  return {
    board_shape: rules.board,
    paths: PATHS[rules.name],
    dice: Object.keys(DICE).find((name) => DICE[name] === rules.dice.none),
    start_pieces: rules.pieces,
    safe_rosettes: rules.safe,
    rosettes_grant_rolls: true,
    captures_grant_rolls: rules.captureRolls,
  };
}

/** The rule set of RoyalUr's settings; the number of pieces may be smaller. Throws with the settings that none has. */
function rulesOf(settings) {
  const said = { ...settings, board_shape: lower(settings?.board_shape), paths: lower(settings?.paths), dice: lower(settings?.dice) };
  const fits = (rules) =>
    Object.entries(settingsOf(rules)).every(([key, value]) => (key === "start_pieces" ? said[key] >= 1 && said[key] <= value : said[key] === value));
  const found = Object.values(RULE_SETS).find(fits);
  if (found) return found;
  if (said.paths === "masters" && said.dice === "four_binary" && said.start_pieces === RULE_SETS.masters.pieces)
    throw new Error("RoyalUr's Masters with four dice (of before August 2024) is not known, only with three");
  const words = ["paths", "dice", "start_pieces", "safe_rosettes", "rosettes_grant_rolls", "captures_grant_rolls"];
  throw new Error(`these rules are not known: ${words.map((key) => `${key} ${said[key]}`).join(", ")}`);
}

export function readRoyalUr(ur, { notation_version: version, settings, initial_state: initial, states }) {
  if (version !== 1 && version !== 2) throw new Error(`RoyalUr's notation_version ${show(version)} is not known, only 1 and 2`);
  if (!Array.isArray(states)) throw new Error("states must be a list");
  const rules = rulesOf(settings);
  const first = initial?.turn === "D" ? "D" : "L";
  const order = first === "L" ? SIDES : ["D", "L"];
  const replay = new Replay(ur, rules, startOf(rules, initial, order, rules.pieces - settings.start_pieces));
  const result = { roll: null, notes: [] };
  states.forEach((state, index) => {
    try {
      takeState(replay, state, order, result);
    } catch (error) {
      throw new Error(`states[${index}]: ${error.message}`);
    }
  });
  return replay.record(`RoyalUr JSON, version ${version}`, order.map((side) => NAMES[side]), result);
}

/** The position of `initial_state`, seen by the side that begins. */
function startOf(rules, initial, order, missing) {
  const pieces = initial?.board?.pieces ?? {};
  const mask = (side) =>
    Object.values(pieces)
      .filter((square) => (side === "L" ? square > 0 : square < 0))
      .reduce((sum, square) => sum | (1 << Math.abs(square)), 0);
  const off = (side) => missing + (initial?.players?.[side]?.score ?? 0);
  const [own, opp] = order;
  return { own: mask(own), opp: mask(opp), ownOff: off(own), oppOff: off(opp), rules: rules.name };
}

function takeState(replay, state, order, result) {
  const checkTurn = () => {
    if (result.roll !== null) throw new Error("a roll without its move is followed by another turn");
    if (!replay.over && order[replay.player] !== state.turn) throw new Error(`it is ${NAMES[order[replay.player]]}'s turn`);
  };
  const value = typeof state.roll === "object" ? state.roll?.value : state.roll;
  switch (state.type) {
    case "move":
      if (result.roll === value) result.roll = null; // a roll that is followed by its move
      checkTurn();
      replay.turn(value, state.move?.src ?? HAND);
      checkTarget(replay, state.move?.dest);
      break;
    case "roll":
      checkTurn();
      if (replay.legalMoves(value).length) result.roll = value;
      else replay.turn(value, null);
      break;
    case "resigned":
      result.notes.push(`${NAMES[state.player] ?? "A player"} resigned.`);
      break;
    case "abandoned":
      result.notes.push(`The game was abandoned${state.reason ? `: ${state.reason}` : ""}.`);
      break;
    case "win":
      if (!replay.over) throw new Error("the game is not over, so nobody has won");
      break;
    case "wait4roll":
    case "wait4move":
      break;
    default:
      throw new Error(`type ${show(state.type)} is not known`);
  }
}

function checkTarget({ rules, turns }, dest) {
  const { roll, square } = turns.at(-1);
  if (dest !== undefined && dest !== square + roll) throw new Error(`a roll of ${roll} from ${rules.word(square)} does not lead to ${dest}`);
}

/** The text of a record as RoyalUr's JSON. */
export function writeRoyalUr({ rules: name, start, turns, winner }) {
  const rules = RULE_SETS[name];
  const missing = Math.min(start.ownOff, start.oppOff); // a game of fewer pieces
  const sides = [
    { mask: start.own, off: start.ownOff, sign: 1 },
    { mask: start.opp, off: start.oppOff, sign: -1 },
  ];
  const board = {};
  const players = {};
  sides.forEach(({ mask, off, sign }, player) => {
    const squares = rules.paths[player].map((_, index) => index + 1).filter((square) => (mask >> square) & 1);
    for (const square of squares) board[rules.tile(player, square)] = sign * square;
    players[SIDES[player]] = { pieces: rules.pieces - off - squares.length, score: off - missing };
  });
  const states = turns.map(({ player, roll, square }) => {
    if (square === null) return { type: "roll", turn: SIDES[player], roll: { value: roll } };
    const move = { src: square || undefined, dest: square + roll === rules.off ? undefined : square + roll };
    return { type: "move", turn: SIDES[player], roll: { value: roll }, move };
  });
  if (winner !== null) states.push({ type: "win", winner: SIDES[winner] });
  const settings = { ...settingsOf(rules), start_pieces: rules.pieces - missing };
  const initial = { board: { pieces: board }, players, type: "wait4roll", turn: "L" };
  return `${JSON.stringify({ notation_version: 2, metadata: {}, settings, initial_state: initial, states })}\n`;
}

// --- RGN: tiles, the roll of a move is its distance -----------------------------------------------------------------

const RGN_HEADER = /^\[[A-Za-z][\w.-]* .*\]$/;
const RGN_ACTION = /^([ABC](?:\d+|@))x?([ABC](?:\d+|\+))(x?)$/;
const LINE_LENGTH = 60;

export function readRgn(ur, text) {
  const lines = text.split("\n").map((line) => line.trim());
  const body = lines.filter((line) => !RGN_HEADER.test(line));
  const words = body.join(" ").replace(/#\s*$/, " # ").replace(/\*/g, " * ").split(/\s+/).filter(Boolean);
  const headers = Object.fromEntries(lines.filter((line) => RGN_HEADER.test(line)).map(headerOf));
  // The file does not name its rules: the first rule set that allows every turn is taken.
  const offered = Object.values(RULE_SETS).filter((rules) => ur.plays(rules.name));
  const problems = [];
  for (const rules of offered) {
    try {
      return replayRgn(ur, rules, words, headers);
    } catch (error) {
      problems.push(error);
    }
  }
  throw problems[0];
}

function headerOf(line) {
  const [, key, value] = /^\[(\S+) (.*)\]$/.exec(line);
  if (!value.startsWith('"')) return [key, value];
  return [key, value.slice(1, -1).replace(/\\(.)/g, (_, sign) => ({ r: "\r", n: "\n" })[sign] ?? sign)];
}

function replayRgn(ur, rules, words, headers) {
  const replay = new Replay(ur, rules);
  const result = { roll: null, notes: [] };
  let side = 0;
  let number = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    try {
      if (/^\d+\.$/.test(word)) [side, number] = [0, Number.parseInt(word, 10)];
      else if (word === "/") side = 1;
      else if (word === "#") replay.over || result.notes.push("The record ends the game here, as where a player resigns.");
      else if (word === "*") continue;
      else {
        if (!replay.over && side !== replay.player) throw new Error(`it is ${NAMES[SIDES[replay.player]]}'s turn`);
        if (words[i + 1] === "--") takeRgnRoll(replay, Number(words[i++]), result);
        else takeRgnMove(replay, word);
      }
    } catch (error) {
      throw new Error(`turn ${number}, '${word}': ${error.message}`);
    }
  }
  if (number === 0) throw new Error("there is no turn in the file");
  return replay.record("RGN", [headers.Light ?? "light", headers.Dark ?? "dark"], result);
}

function takeRgnRoll(replay, roll, result) {
  if (replay.legalMoves(roll).length) result.roll = roll;
  else replay.turn(roll, null);
}

function takeRgnMove(replay, word) {
  const { rules, player } = replay;
  const match = RGN_ACTION.exec(word);
  if (!match) throw new Error("not an action");
  const square = (tile, end, there) => {
    const found = tile.endsWith(end) ? there : rules.square(player, tile);
    if (!tile.endsWith(end) && found === 0) throw new Error(`${NAMES[SIDES[player]]} does not walk ${tile}`);
    return found;
  };
  const from = square(match[1], "@", HAND);
  replay.turn(square(match[2], "+", rules.off) - from, from);
}

/** The text of a record as RGN. */
export function writeRgn({ rules: name, players, start, turns, winner }) {
  const rules = RULE_SETS[name];
  if (start.own || start.opp || start.ownOff || start.oppOff) throw new Error("RGN can't say that a game begins in the middle");
  const words = [];
  let number = 0;
  turns.forEach((turn, index) => {
    const before = turns[index - 1];
    if (before?.player !== turn.player) words.push(turn.player === 0 ? `${++number}.` : "/");
    words.push(...actionWords(rules, turn));
  });
  if (winner !== null) words.push(`${words.pop()}#`);
  const header = players.map((player, index) => `[${["Light", "Dark"][index]} ${valueText(player)}]\n`).join("");
  return `${header}\n${wrapped(words)}\n`;
}

function actionWords(rules, { player, roll, square, position }) {
  if (square === null) return [String(roll), "--"];
  const target = square + roll;
  const column = player === 0 ? "A" : "C";
  const from = square === HAND ? `${column}@` : rules.tile(player, square);
  if (target === rules.off) return [`${from}${column}+`];
  const tile = rules.tile(player, target);
  const theirs = rules.square(1 - player, tile);
  const captures = theirs > 0 && (position.opp >> theirs) & 1;
  return [`${from}${captures ? "x" : ""}${tile}`, ...(rules.rosettes.has(tile) ? ["*"] : [])];
}

function valueText(text) {
  if (/^[A-Za-z][A-Za-z0-9_.-]*$/.test(text)) return text;
  return `"${text.replace(/["\\]/g, "\\$&").replace(/\r/g, "\\r").replace(/\n/g, "\\n")}"`;
}

function wrapped(words) {
  const lines = [""];
  for (const word of words) {
    const line = lines.at(-1);
    if (line.length + word.length >= LINE_LENGTH && word !== "*" && word !== "--") lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.join("\n");
}
