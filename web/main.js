// The page: players, turns, and all that the page shows. The rules and the values come from the engine's worker.
import { Board, drawing, make, OFF, SIDES, squareName } from "./board.js";
import { Engine } from "./engine.js";
import { Game, throwDice } from "./game.js";

const WEIGHTS = "../weights/"; // beside the page's folder, or at the server's root
const MODEL = "model"; // the file of `python -m mlx_train web --model`
const FIRST_NETWORK = "ur-29k"; // the default player and judge
const SEARCH_DEPTHS = [1, 2, 3];
const PASS_PAUSE = 2; // the pause after a person's turn that passes, as a multiple of the other pauses
const LOAD_MESSAGE_DELAY = 200; // milliseconds; the status line names a network that takes longer to load
const STORED = "ur-settings";

const $ = (id) => document.getElementById(id);
const engine = new Engine();
const networks = new Map(); // name -> {spelling, addresses, values}; an opened file has no addresses
const board = new Board($("table"), pick);
const hints = $("hints");
const speed = $("speed");
const seats = [$("player-0"), $("player-1")];

let game = null; // the current game; null while the networks of the next game load
let agents; // the players of the current or next game: null for a person, or an agent of worker.js
let judge = null; // the loaded network that values positions
let running = 0; // the number of the current activity; a new number cancels the activities before it
let paused = true; // two agents wait for Start
let opinion = null; // the judge's values of the position on the board: {win, moves}
let logged = null; // the game of the turns in the log
let thought = ""; // the sentence with the last agent's time

// --- words -----------------------------------------------------------------------------------------------------------

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const nameOf = (seat) => (seat === "human" ? "You" : seat.replace(/^net:/, ""));
const isHuman = (player) => agents[player] === null;
const watching = () => !isHuman(0) && !isHuman(1);

/** A player as the subject of a sentence, and the verb's ending. */
function subject(player) {
  return isHuman(player) && !isHuman(1 - player) ? ["You", ""] : [SIDES[player], "s"];
}

/** The square that a move leaves; the square where it ends, with captures and extra rolls. */
function moveTexts({ square, to, captures, again }) {
  const extras = [captures && "captures", again && "rolls again"].filter(Boolean);
  return [squareName(square), [squareName(to), ...extras].join(", ")];
}

/** The texts of a move around an arrow, which a screen reader reads as "to". */
function moveNodes(move) {
  const [from, rest] = moveTexts(move);
  const arrow = make("span", "", { "aria-hidden": "true" }, "→");
  return [`${from} `, arrow, make("span", "unseen", {}, "to"), ` ${rest}`];
}

function spokenMove({ to, captures, again }) {
  const extras = [captures && "captures", again && "rosette, roll again"].filter(Boolean);
  return [to === OFF ? "off the board" : `to ${to}`, ...extras].join(", ");
}

function say(text) {
  $("status").textContent = text;
}

/** A message that stays until it is closed. */
function complain(text) {
  $("notice-text").textContent = text;
  $("notice").hidden = false;
}

// --- networks and players --------------------------------------------------------------------------------------------

function addOption(select, group, value, label) {
  let parent = select.querySelector(`optgroup[label="${group}"]`);
  if (!parent) select.append((parent = make("optgroup", "", { label: group })));
  const known = [...select.options].find((option) => option.value === value);
  if (!known) parent.append(new Option(label, value));
}

function addNetwork(group, name, label, spelling, addresses, values = true) {
  networks.set(name, { spelling, addresses, values });
  for (const seat of seats) addOption(seat, group, `net:${name}`, label);
  addOption($("judge"), group, name, label);
}

function fillPlayers() {
  for (const seat of seats) {
    addOption(seat, "Person", "human", "You");
    for (const depth of SEARCH_DEPTHS)
      addOption(seat, "Search", `emm:${depth}`, `emm:${depth}, ${depth} turn${depth > 1 ? "s" : ""} ahead`);
  }
}

/** The shipped networks of the manifest. */
async function listNetworks() {
  const response = await fetch(new URL(`${WEIGHTS}manifest.json`, document.baseURI)).catch(() => {
    throw new Error("the list of networks: the server can't be reached");
  });
  if (!response.ok) throw new Error(`the list of networks: the server answers ${response.status}`);
  for (const { name, parameters } of (await response.json()).models) {
    const count = (parameters.value ?? parameters.policy).toLocaleString("en");
    const addresses = [".json.gz", ".json"].map((end) => new URL(`${WEIGHTS}${name}${end}`, document.baseURI).href);
    addNetwork("Shipped networks", name, `${name}, ${count} parameters`, `net:weights/${name}.json`, addresses);
  }
}

/** Loads a network in the worker. If the worker refuses it, shows the message and returns false. */
async function load(name) {
  const network = networks.get(name);
  if (!network.addresses.length) return true;
  const slow = setTimeout(say, LOAD_MESSAGE_DELAY, `Loading ${name}…`);
  try {
    network.values = (await engine.fetchNetwork(name, network.addresses)).hasValue;
    return true;
  } catch (error) {
    complain(error.message);
    return false;
  } finally {
    clearTimeout(slow);
  }
}

/** Removes a refused network from the lists. */
function removeNetwork(name) {
  networks.delete(name);
  for (const select of [...seats, $("judge")])
    for (const option of [...select.options]) if (option.value.replace(/^net:/, "") === name) option.remove();
}

/** The name of a file's network, which differs from the names of the shipped networks. */
function nameOfFile(name) {
  return networks.get(name)?.spelling.startsWith("net:weights/") ? `${name} (file)` : name;
}

/** Seats the server's model against a person, under the name in the page's address. */
async function offerModel(file) {
  const name = nameOfFile(file);
  addNetwork("Your networks", name, name, `net:${file}`, [new URL(MODEL, document.baseURI).href]);
  if (!(await load(name))) return removeNetwork(name);
  if (seats.every(({ value }) => value !== "human")) seats[0].value = "human";
  await seat(name);
}

/** Reads a network from a file of this computer and seats it. */
async function openFile(file) {
  const name = nameOfFile(file.name);
  let values;
  try {
    values = (await engine.readNetwork(name, await file.arrayBuffer())).hasValue;
  } catch (error) {
    return complain(error.message);
  }
  $("notice").hidden = true;
  addNetwork("Your networks", name, name, `net:${file.name}`, [], values);
  if (name === judge) await changeJudge(); // this name now means another network in the worker
  seat(name);
}

/** Seats a network against the person, or in the second seat. */
function seat(name) {
  const place = seats.findLast(({ value }) => value !== "human") ?? seats[1];
  place.value = `net:${name}`;
  return changePlayers();
}

function agentOf(value) {
  if (value === "human") return null;
  return value.startsWith("net:") ? { network: value.slice(4) } : { depth: Number(value.slice(4)) };
}

/** The name of a player in a game record. */
function spellingOf(value) {
  if (value === "human") return "you";
  return value.startsWith("net:") ? networks.get(value.slice(4)).spelling : value;
}

/** Makes the chosen network the judge, or keeps the present judge if the chosen one can't value positions. */
async function useJudge() {
  const name = $("judge").value;
  const usable = name && (await load(name));
  if (name !== $("judge").value) return; // the choice has changed meanwhile
  const values = usable && networks.get(name).values;
  if (usable && !values) complain(`${name} has a policy alone: it plays, but can't value positions`);
  if (values) judge = name;
  else if (judge === name) judge = null;
  $("judge").value = judge ?? "";
  freeNetworks();
  await judgeTurns();
}

/** Values all positions of the game again. */
async function judgeTurns() {
  const name = judge;
  for (const turn of game ? [...game.turns, game] : []) {
    const { player, position } = turn;
    const values = await ask(position, null);
    if (judge !== name) return; // another judge was chosen, and this one's network is freed
    if (turn.position === position) turn.odds = values && firstShare(player, values.win);
  }
}

/** The judge's values, or null without a judge. A judge that fails is removed, and the game continues. */
async function ask(position, roll) {
  const name = judge;
  if (!name) return null;
  try {
    return await engine.judge(name, position, roll);
  } catch (error) {
    if (judge !== name) return null;
    complain(`${name} gives no odds: ${error.message}`);
    judge = null;
    $("judge").value = "";
    return null;
  }
}

/** Frees the worker's networks, except those that are in use or chosen, and those of opened files. */
function freeNetworks() {
  const opened = [...networks].filter(([, { addresses }]) => !addresses.length).map(([name]) => name);
  const playing = [...(agents ?? []), ...seats.map(({ value }) => agentOf(value))].map((agent) => agent?.network);
  engine.keepNetworks([judge, $("judge").value, ...playing, ...opened].filter(Boolean));
}

// --- the game --------------------------------------------------------------------------------------------------------

/** Starts a game with the chosen players. */
async function start() {
  const token = ++running;
  const values = seats.map(({ value }) => value);
  agents = values.map(agentOf); // already here, so that their networks stay loaded
  if (game) leaveGame();
  for (const [player, agent] of agents.entries()) {
    const usable = !agent?.network || (await load(agent.network));
    if (token !== running) return;
    if (!usable) values[player] = seats[player].value = "human";
  }
  game = new Game(values.map(spellingOf));
  game.seats = values;
  agents = values.map(agentOf);
  paused = true;
  thought = "";
  freeNetworks();
  remember();
  showDice(null);
  $("players-note").hidden = true;
  await advance(false);
}

/** Ends the current game and disables its controls. */
function leaveGame() {
  game = null;
  board.offer(0, []);
  $("moves").replaceChildren();
  for (const id of ["action", "undo", "download"]) $(id).disabled = true;
}

/** Makes the move that a person picked, unless the position has changed since the offer. */
function pick(move) {
  const chosen = isHuman(game.player) && game.options?.moves.find(({ next }) => next === move.next);
  if (!chosen) return;
  game.play(chosen);
  advance();
}

const pause = (pauses = 1) => new Promise((resolve) => setTimeout(resolve, pauses * Number(speed.value)));

async function roll() {
  const dice = (game.dice[game.turns.length] ??= throwDice());
  const total = dice.reduce((sum, die) => sum + die, 0);
  const token = running;
  const options = await engine.options(game.position, total);
  if (token !== running) return;
  game.rolled(total, options);
  showDice(dice);
}

/** Plays until a person has to act, the game is over, or another activity cancels this one. */
async function advance(animate = true) {
  const token = ++running;
  const stale = () => token !== running;
  for (;;) {
    await show(animate);
    if (stale() || game.winner !== null || (watching() && paused)) return;
    animate = true;
    const human = isHuman(game.player);
    if (game.roll === null) {
      if (human) return;
      await pause();
      if (stale()) return;
      await roll();
      if (stale()) return;
    } else if (game.options.moves.length === 0) {
      await pause(human ? PASS_PAUSE : 1);
      if (stale()) return;
      game.play(null);
    } else if (human) {
      return;
    } else {
      const { square, microseconds } = await engine.choose(agents[game.player], game.position, game.roll);
      if (stale()) return;
      thought = `${nameOf(game.seats[game.player])} chose in ${(microseconds / 1000).toFixed(2)} ms.`;
      await pause();
      if (stale()) return;
      game.play(game.options.moves.find((move) => move.square === square));
    }
  }
}

/** Goes back to a person's last choice. With two agents, goes back one turn and pauses them. */
function undo() {
  const mine = ({ player, options }) => watching() || (isHuman(player) && options.moves.length > 0);
  running++;
  paused = true;
  game.undo(mine);
  showDice(game.roll);
  advance(false);
}

function press() {
  if (game.winner !== null) return start();
  if (watching()) {
    paused = !paused;
    return advance();
  }
  if (game.roll !== null || !isHuman(game.player)) return;
  $("action").disabled = true;
  const token = running;
  roll().then(() => token === running && advance());
}

// --- showing ---------------------------------------------------------------------------------------------------------

/** Draws the whole page, with the judge's values. */
async function show(animate) {
  const token = running;
  const last = game.turns.at(-1);
  board.show(game.board, animate && speed.value !== "0");
  board.markLast(last?.player, last?.move);
  board.offer(game.player, []);
  showControls();
  opinion = null;
  if (game.winner === null) {
    opinion = await ask(game.position, game.roll);
    if (token !== running) return;
    if (opinion && game.roll === null) game.odds = firstShare(game.player, opinion.win);
  }
  showOdds();
  const follows = focusFollows(); // asked before the list of moves is replaced
  showMoves();
  showLog();
  showStory();
  if (follows && !watching()) focusNext();
}

/** Whether the focus follows the game: it is on a move, on the button of the turn, or nowhere. */
function focusFollows() {
  const focused = document.activeElement;
  const places = [$("table"), $("moves"), $("action")];
  return focused === document.body || focused.disabled || places.some((place) => place.contains(focused));
}

function focusNext() {
  if (!$("action").disabled) $("action").focus({ preventScroll: true });
  else if (game.options && isHuman(game.player)) board.focus();
}

/** Updates the status line and the buttons. */
function showControls() {
  const { player, winner } = game;
  const human = isHuman(player);
  const action = $("action");
  const [who, s] = subject(player);
  if (winner !== null) action.textContent = "New game";
  else action.textContent = watching() ? (paused ? "Start" : "Pause") : "Roll the dice";
  if (winner !== null) {
    const [name, ending] = subject(winner);
    say(`${name} win${ending} in ${game.turns.length} turns.`);
  } else if (game.roll === null) {
    const ready = watching() && paused && !game.turns.length;
    const again = game.turns.at(-1)?.move?.again ? " again" : "";
    say(ready ? "Two agents are ready." : `${lastTurn(player)}${who} roll${s}${again}.`);
  } else {
    const { moves } = game.options;
    const left = moves.length === 1 ? "one legal move" : `${moves.length} legal moves`;
    say(`${who} rolled ${game.roll}: ${moves.length ? left : "no legal move, the turn passes"}.`);
  }
  action.disabled = !(winner !== null || watching() || (human && game.roll === null));
  $("status").setAttribute("aria-live", watching() && !paused ? "off" : "polite");
  $("undo").disabled = !game.turns.some(
    ({ player, options }) => watching() || (isHuman(player) && options.moves.length),
  );
  $("download").disabled = game.turns.length === 0;
  $("table").classList.toggle("over", winner !== null);
  $("play").dataset.player = winner ?? player;
  game.seats.forEach((seat, index) => ($(`name-${index}`).textContent = nameOf(seat)));
}

/** The other player's last turn as a sentence, or an empty text. */
function lastTurn(player) {
  const last = game.turns.at(-1);
  if (!last || last.player === player) return "";
  return `${SIDES[last.player]} ${last.move ? `moved ${moveTexts(last.move).join(" to ")}` : "passed"}. `;
}

/** Draws four dice: an array has each die's tip (0 or 1), a number the sum, null dice that are not rolled. */
function showDice(shown) {
  const dice = typeof shown === "number" ? [0, 1, 2, 3].map((die) => Number(die < shown)) : (shown ?? []);
  const total = dice.reduce((sum, die) => sum + die, 0);
  const drawings = [0, 1, 2, 3].map((die) => drawing("die", dice[die] ? "die marked" : "die"));
  $("dice").replaceChildren(...drawings, make("span", "total", {}, shown === null ? "" : String(total)));
  $("dice").setAttribute("aria-label", shown === null ? "The dice are not rolled yet" : `Rolled ${total}`);
  if (Array.isArray(shown) && speed.value !== "0" && !matchMedia("(prefers-reduced-motion: reduce)").matches)
    drawings.forEach((die, index) =>
      die.animate([{ transform: `rotate(${90 + 60 * index}deg) scale(0.7)` }, { transform: "none" }], {
        duration: 260 + 50 * index,
        easing: "cubic-bezier(0.2, 0.9, 0.3, 1.2)",
      }),
    );
}

/** Player 0's win probability, from the mover's. */
const firstShare = (player, win) => (player === 0 ? win : 1 - win);

function showOdds() {
  let share = game.winner === null ? opinion && firstShare(game.player, opinion.win) : 1 - game.winner;
  $("odds-0").textContent = share === null ? "–" : percent(share);
  $("odds-1").textContent = share === null ? "–" : percent(1 - share);
  $("odds-judge").textContent = judge ? `Odds by ${judge}` : "";
  share ??= 0.5;
  $("odds-fill").style.transform = `translateX(${100 * (share - 1)}%)`;
  $("odds-bar").setAttribute("aria-valuenow", (100 * share).toFixed(1));
  $("odds-bar").setAttribute("aria-valuetext", `${SIDES[0]} ${percent(share)}, ${SIDES[1]} ${percent(1 - share)}`);
}

/** Shows the legal moves on the board and in the list, with the judge's values if hints are on. */
function showMoves() {
  const { player, options } = game;
  const human = isHuman(player);
  const values = new Map(hints.checked ? opinion?.moves.map(({ square, value }) => [square, value]) : []);
  const highest = Math.max(...values.values());
  const moves = (options?.moves ?? []).map((move) => {
    const value = values.get(move.square);
    const best = value !== undefined && value === highest;
    const badge = value === undefined ? "" : (100 * value).toFixed(1);
    const text = spokenMove(move) + (value === undefined ? "" : `, ${percent(value)}${best ? ", best" : ""}`);
    return { ...move, value, best, badge, text };
  });
  board.offer(player, human ? moves : []);
  const sorted = moves.toSorted((one, other) => (other.value ?? 0) - (one.value ?? 0));
  $("moves").replaceChildren(...sorted.map((move) => make("li", "", {}, moveButton(move, human))));
  $("moves-none").hidden = moves.length > 0;
  $("moves-none").textContent = options
    ? `No legal move with ${game.roll}.`
    : thought || "The moves appear after the roll.";
}

function moveButton(move, human) {
  const button = make("button", move.best ? "move best" : "move", { type: "button" });
  button.append(make("span", "move-text", {}, ...moveNodes(move)));
  if (move.value !== undefined) {
    button.append(make("span", "move-value", {}, `${move.best ? "★ " : ""}${percent(move.value)}`));
    const bar = make("span", "move-bar");
    bar.style.setProperty("--share", move.value);
    button.append(bar);
  }
  button.disabled = !human;
  button.addEventListener("click", () => pick(move));
  for (const kind of ["pointerenter", "focus"]) button.addEventListener(kind, () => board.aim(move));
  for (const kind of ["pointerleave", "blur"]) button.addEventListener(kind, () => board.aim(null));
  return button;
}

function showLog() {
  const log = $("log");
  if (logged !== game || log.children.length > game.turns.length) log.replaceChildren();
  logged = game;
  for (const turn of game.turns.slice(log.children.length)) log.prepend(logRow(turn, log.children.length + 1));
}

function logRow({ player, roll, move }, number) {
  const side = make("span", `swatch side-${player}`, { role: "img", "aria-label": SIDES[player] });
  const dice = make("span", "log-roll", {}, make("span", "unseen", {}, "rolled "), String(roll));
  const text = make("span", "log-move", {}, ...(move ? moveNodes(move) : ["passes"]));
  return make("li", "", { value: number }, side, dice, text);
}

/** Draws the judge's win probability, turn by turn. */
function showStory() {
  const shares = [...game.turns.map(({ odds }) => odds), game.winner === null ? game.odds : 1 - game.winner];
  if (shares.length === 1) shares.push(shares[0]);
  const step = 200 / (shares.length - 1);
  const points = shares.map(
    (share, index) => `${(index * step).toFixed(1)} ${(100 - 100 * (share ?? 0.5)).toFixed(1)}`,
  );
  $("story-line").setAttribute("d", `M${points.join("L")}`);
  $("story-area").setAttribute("d", `M${points.join("L")}V100H0Z`);
}

function saveRecord() {
  const link = make("a", "", { download: `ur-${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}.jsonl` });
  link.href = URL.createObjectURL(new Blob([game.record], { type: "application/jsonl" }));
  link.click();
  URL.revokeObjectURL(link.href);
}

// --- settings --------------------------------------------------------------------------------------------------------

function remember() {
  const settings = {
    players: seats.map(({ value }) => value),
    judge: $("judge").value,
    speed: speed.value,
    hints: hints.checked,
  };
  try {
    localStorage.setItem(STORED, JSON.stringify(settings));
  } catch {
    // Without storage the page works, but forgets the settings.
  }
}

function recall() {
  let settings = {};
  try {
    settings = JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    // No storage, or damaged settings: the defaults apply.
  }
  const set = (select, value, ...fallbacks) => {
    const known = [...select.options].map((option) => option.value);
    select.value = [value, ...fallbacks].find((wanted) => known.includes(wanted)) ?? "";
  };
  set(seats[0], settings.players?.[0], "human");
  set(seats[1], settings.players?.[1], `net:${FIRST_NETWORK}`, `emm:${SEARCH_DEPTHS.at(-1)}`);
  set($("judge"), settings.judge, FIRST_NETWORK);
  set(speed, settings.speed, speed.value);
  hints.checked = settings.hints === true;
}

/** Starts a game with newly chosen players, or says that they play the next game if this one has begun. */
function changePlayers() {
  if (!game || (game.turns.length === 0 && game.roll === null)) return start();
  $("players-note").hidden = false;
}

async function changeJudge() {
  await useJudge();
  remember();
  if (game) show(false);
}

function listen() {
  $("action").addEventListener("click", press);
  $("undo").addEventListener("click", undo);
  $("new-game").addEventListener("click", start);
  $("download").addEventListener("click", saveRecord);
  $("notice-close").addEventListener("click", () => ($("notice").hidden = true));
  $("help-open").addEventListener("click", () => $("help").showModal());
  $("help-close").addEventListener("click", () => $("help").close());
  $("open-file").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", ({ target }) => {
    if (target.files.length) openFile(target.files[0]);
    target.value = "";
  });
  for (const select of seats) select.addEventListener("change", changePlayers);
  $("judge").addEventListener("change", changeJudge);
  speed.addEventListener("change", remember);
  hints.addEventListener("change", () => {
    remember();
    if (game) showMoves();
  });
}

async function main() {
  addEventListener("unhandledrejection", ({ reason }) => complain(reason.message));
  showDice(null);
  fillPlayers();
  try {
    await engine.ready();
  } catch (error) {
    say("The game cannot start.");
    return complain(error.message);
  }
  await listNetworks().catch((error) => complain(error.message)); // the search needs no list
  recall();
  listen();
  await useJudge();
  const model = new URLSearchParams(location.search).get("model");
  if (model) await offerModel(model);
  if (!game) await start();
}

main();
