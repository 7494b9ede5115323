// The two formats of RoyalUr: its JSON, versions 1 and 2, and RGN. Light is the first player of a usual game.
//
// RGN stores no rules and no end but a sign, so this program adds headers for them, which other readers skip. Without the
// header Rules, the first of our rule sets that allows every move is taken.
import { fromNotation, toNotation } from "./notation.js";
import { ENDINGS, Replay } from "./records.js";
import { HAND, RULE_SETS, ruleSet, squaresOf } from "./rules.js";

const SIDES = ["L", "D"];
const SIGNS = { L: 1, D: -1 }; // of a piece's path square
const NAMES = { L: "light", D: "dark" };
const OLD_SPELLINGS = { fourbinary: "four_binary", threebinary0max: "three_binary_0eq4" };
const DICE = { four_binary: 0, three_binary_0eq4: 4 }; // what a throw without a marked tip counts
const PATHS = { finkel: "bell", blitz: "masters", masters: "masters", aseb: "aseb" };

const capital = (word) => word[0].toUpperCase() + word.slice(1);
const show = (value) => JSON.stringify(value) ?? "nothing";

/** The opponent's path square of the piece that a move captures; 0 where it captures nothing. */
function captured(rules, { player, position, roll, square }) {
  const theirs = square + roll === rules.off ? 0 : rules.square(1 - player, rules.tile(player, square + roll));
  return theirs && (position.opp >> theirs) & 1 ? theirs : 0;
}

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
  const said = { ...settings };
  for (const key of ["board_shape", "paths", "dice"]) {
    const word = String(said[key]).toLowerCase();
    said[key] = OLD_SPELLINGS[word] ?? word;
  }
  const { start_pieces: pieces, ...others } = said;
  if (!Number.isInteger(pieces) || pieces < 1)
    throw new Error(`start_pieces must be a whole number, 1 or more; got ${show(pieces)}`);
  const fits = (rules) => {
    const { start_pieces: most, ...known } = settingsOf(rules);
    return pieces <= most && Object.entries(known).every(([key, value]) => others[key] === value);
  };
  const rules = Object.values(RULE_SETS).find(fits);
  if (rules) return rules;
  if (said.paths === "masters" && said.dice === "four_binary" && !said.captures_grant_rolls)
    throw new Error("RoyalUr's Masters with four dice (of before August 2024) is not known, only with three");
  const { start_pieces: _, ...keys } = settingsOf(RULE_SETS.finkel);
  const words = Object.keys(keys).map((key) => `${key} ${show(said[key])}`);
  throw new Error(`this rule set of RoyalUr is not known: ${words.join(", ")}, start_pieces ${pieces}`);
}

export function readRoyalUr(ur, { notation_version: version, settings, initial_state: initial, states, metadata }) {
  if (version !== 1 && version !== 2)
    throw new Error(`RoyalUr's notation_version ${show(version)} is not known, only 1 and 2`);
  const rules = rulesOf(settings);
  if (!Array.isArray(states)) throw new Error("states must be a list");
  const order = initial?.turn === "D" ? ["D", "L"] : SIDES;
  const replay = new Replay(ur, rules, startOf(rules, initial, order, rules.pieces - settings.start_pieces));
  states.forEach((state, index) => {
    try {
      takeState(replay, state, order);
    } catch (error) {
      throw new Error(`states[${index}]: ${error.message}`);
    }
  });
  if (metadata?.Ending === "stopped" && !replay.over && !replay.ending) {
    const claimed = order.indexOf(metadata.Winner);
    replay.end("stopped", claimed < 0 ? null : claimed);
  }
  const players = order.map((side) => String(metadata?.[capital(NAMES[side])] ?? NAMES[side]));
  return replay.record(`RoyalUr JSON, version ${version}`, players);
}

/** The owner and the path square of a piece: +n is light's, -n dark's; the old form is an object. */
function pieceOf(value) {
  if (SIDES.includes(value?.owner) && Number.isInteger(value.index))
    return { owner: value.owner, square: value.index + 1 };
  if (Number.isInteger(value) && value !== 0) return { owner: value > 0 ? "L" : "D", square: Math.abs(value) };
  throw new Error(`${show(value)} is not a piece`);
}

/** The position of `initial_state`, seen by the side that begins. */
function startOf(rules, initial, order, missing) {
  const pieces = Object.values(initial?.board?.pieces ?? {}).map(pieceOf);
  const mask = (side) =>
    pieces.filter(({ owner }) => owner === side).reduce((sum, { square }) => sum | (1 << square), 0);
  const off = (side) => missing + (initial?.players?.[side]?.score ?? 0);
  const [own, opp] = order;
  return { own: mask(own), opp: mask(opp), ownOff: off(own), oppOff: off(opp), rules: rules.name };
}

function takeState(replay, state, order) {
  const { type, turn } = state ?? {};
  const going = !replay.over && !replay.ending;
  if (["move", "roll", "wait4roll", "wait4move"].includes(type) && going && turn !== order[replay.player])
    throw new Error(`it is ${NAMES[order[replay.player]]}'s turn`);
  if (type === "move") takeMove(replay, state, order);
  else if (type === "roll") replay.roll(state.roll?.value);
  else if (type === "abandoned") replay.end("abandoned", null, String(state.reason ?? ""));
  else if (type === "resigned") {
    if (!order.includes(state.player)) throw new Error(`player must be L or D, got ${show(state.player)}`);
    replay.end("resigned", 1 - order.indexOf(state.player));
  } else if (type === "win") {
    if (going) throw new Error("the game is not over, so nobody has won");
    replay.checkWinner(order.indexOf(state.winner), (player) => NAMES[order[player]]);
  } else if (!["wait4roll", "wait4move"].includes(type)) throw new Error(`type ${show(type)} is not known`);
}

function takeMove(replay, { roll: rolled, move }, order) {
  const { rules, over } = replay;
  const roll = rolled?.value;
  const side = order[replay.player];
  const [from, to] = ["src", "dest"].map((key) => ((move?.[key] ?? null) === null ? null : pieceOf(move[key])));
  for (const piece of [from, to])
    if (piece && piece.owner !== side && !over)
      throw new Error(`${NAMES[side]} moves a piece of ${NAMES[piece.owner]}`);
  const square = from?.square ?? HAND;
  replay.turn(roll, square);
  const reached = to?.square ?? rules.off;
  if (reached !== square + roll)
    throw new Error(`a roll of ${roll} from ${rules.word(square)} does not lead to ${reached}`);
}

/** The text of a record as RoyalUr's JSON, version 2; player 0 is light. */
export function writeRoyalUr({ rules: name, players: names, start, turns, winner, ending }) {
  const rules = RULE_SETS[name];
  const missing = Math.min(start.ownOff, start.oppOff); // a game of fewer pieces
  const board = {};
  const players = {};
  const sides = { L: [start.own, start.ownOff], D: [start.opp, start.oppOff] };
  for (const [side, [mask, off]] of Object.entries(sides)) {
    const squares = squaresOf(mask);
    for (const square of squares) board[rules.tile(SIDES.indexOf(side), square)] = SIGNS[side] * square;
    players[side] = { pieces: rules.pieces - off - squares.length, score: off - missing };
  }
  const states = turns.map((turn) => stateOf(rules, turn));
  if (ending?.how === "resigned") states.push({ type: "resigned", player: SIDES[1 - ending.winner] });
  if (ending?.how === "abandoned") states.push({ type: "abandoned", reason: ending.reason });
  if (winner !== null) states.push({ type: "win", winner: SIDES[winner] });
  const metadata = { Light: names[0], Dark: names[1] };
  if (ending?.how === "stopped")
    Object.assign(metadata, { Ending: "stopped" }, ending.winner !== null && { Winner: SIDES[ending.winner] });
  const settings = { ...settingsOf(rules), start_pieces: rules.pieces - missing };
  const initial = { board: { pieces: board }, players, type: "wait4roll", turn: "L" };
  return `${JSON.stringify({ notation_version: 2, metadata, settings, initial_state: initial, states })}\n`;
}

function stateOf(rules, turn) {
  const { player, roll, square } = turn;
  const side = SIDES[player];
  const shared = { turn: side, roll: { value: roll } };
  if (square === null) return { type: "roll", ...shared };
  const move = {};
  if (square !== HAND) move.src = SIGNS[side] * square;
  if (square + roll !== rules.off) move.dest = SIGNS[side] * (square + roll);
  const theirs = captured(rules, turn);
  if (theirs) move.captured = -SIGNS[side] * theirs;
  return { type: "move", ...shared, move };
}

// --- RGN: tiles, the roll of a move is its distance -----------------------------------------------------------------

const RGN_HEADER = /^\[([A-Za-z][\w.-]*) (.*)\]$/;
const RGN_ACTION = /^([ABC])(\d+|@)x?([ABC])(\d+|\+)x?$/;
const LINE_LENGTH = 60;

export function readRgn(ur, text) {
  const lines = text.split("\n").map((line) => line.trim());
  const headers = Object.fromEntries(lines.flatMap((line) => (RGN_HEADER.test(line) ? [headerOf(line)] : [])));
  const body = lines.filter((line) => !RGN_HEADER.test(line)).join(" ");
  const words = body.replace(/[#*]/g, " $& ").split(/\s+/).filter(Boolean);
  if (!words.some((word) => word === "/" || /^\d+\.$/.test(word))) throw new Error("there is no turn in the file");
  const offered = headers.Rules
    ? [ruleSet(headers.Rules)]
    : Object.values(RULE_SETS).filter(({ name }) => ur.plays(name));
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
  const [, key, value] = RGN_HEADER.exec(line);
  if (!value.startsWith('"')) return [key, value];
  return [key, value.replace(/^"|"$/g, "").replace(/\\(.)/g, (_, sign) => ({ r: "\r", n: "\n" })[sign] ?? sign)];
}

function replayRgn(ur, rules, words, headers) {
  const order = words[0] === "/" ? [1, 0] : [0, 1]; // the side of player 0 and of player 1
  const replay = new Replay(ur, rules, headers.Start && fromNotation(headers.Start, rules));
  let side = 0;
  let number = "1";
  let ended = false;
  words.forEach((word, index) => {
    try {
      if (ended) throw new Error("nothing follows the end of the game");
      if (/^\d+\.$/.test(word)) [side, number] = [0, word.slice(0, -1)];
      else if (word === "/") side = 1;
      else if (word === "#") ended = true;
      else if (word !== "*" && word !== "--") {
        const mover = order[replay.player];
        if (!replay.over && mover !== side) throw new Error(`it is ${NAMES[SIDES[mover]]}'s turn`);
        takeAction(replay, word, words[index + 1] === "--", side);
      }
    } catch (error) {
      throw new Error(`turn ${number}, '${word}': ${error.message}`);
    }
  });
  if ((ended || headers.Ending) && !replay.over) {
    const how = headers.Ending ?? "stopped";
    if (!ENDINGS.includes(how)) throw new Error(`the header Ending is '${how}', not one of ${ENDINGS.join(", ")}`);
    const winner = order.findIndex((each) => NAMES[SIDES[each]] === headers.Winner);
    replay.end(how, winner < 0 ? null : winner, headers.Reason ?? "");
  }
  return replay.record(
    "RGN",
    order.map((each) => headers[capital(NAMES[SIDES[each]])] ?? NAMES[SIDES[each]]),
  );
}

function takeAction(replay, word, rolled, side) {
  const { rules } = replay;
  if (rolled) {
    if (!/^\d$/.test(word)) throw new Error("not a roll");
    return replay.roll(Number(word));
  }
  const match = RGN_ACTION.exec(word);
  if (!match) throw new Error("not an action");
  const square = (column, row) => {
    if (row === "@" || row === "+") return row === "@" ? HAND : rules.off;
    const found = rules.square(side, column + row);
    if (found === 0) throw new Error(`${NAMES[SIDES[side]]} does not walk ${column}${row}`);
    return found;
  };
  const from = square(match[1], match[2]);
  replay.turn(square(match[3], match[4]) - from, from);
}

/** The text of a record as RGN; player 0 is light. */
export function writeRgn({ rules: name, players, start, turns, winner, ending }) {
  const rules = RULE_SETS[name];
  const headers = { Light: players[0], Dark: players[1], Rules: name };
  if (start.own || start.opp || start.ownOff || start.oppOff) headers.Start = toNotation(start, rules);
  if (ending) headers.Ending = ending.how;
  if (ending && ending.winner !== null) headers.Winner = NAMES[SIDES[ending.winner]];
  if (ending?.reason) headers.Reason = ending.reason;
  const words = [];
  let number = 0;
  turns.forEach((turn, index) => {
    if (turns[index - 1]?.player !== turn.player) words.push(turn.player === 0 ? `${++number}.` : "/");
    words.push(...actionWords(rules, turn));
  });
  if (winner !== null || ending) words.push(`${words.pop() ?? "1."}#`);
  const header = Object.entries(headers).map(([key, value]) => `[${key} ${valueText(value)}]\n`);
  return `${header.join("")}\n${wrapped(words)}\n`;
}

function actionWords(rules, turn) {
  const { player, roll, square } = turn;
  if (square === null) return [String(roll), "--"];
  const target = square + roll;
  const from = square === HAND ? `${rules.paths[player][0][0]}@` : rules.tile(player, square);
  if (target === rules.off) return [`${from}${rules.paths[player].at(-1)[0]}+`];
  const tile = rules.tile(player, target);
  return [`${from}${captured(rules, turn) ? "x" : ""}${tile}`, ...(rules.rosettes.has(tile) ? ["*"] : [])];
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
