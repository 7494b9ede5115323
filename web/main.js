// The page: brings the engine, the game, its players, the judge and the showing together.
import { $, setText } from "./dom.js";
import {
  askNewGame,
  fillRules,
  judgeWords,
  listenHelp,
  listenNewGame,
  listenOpen,
  listenSave,
  listenSettings,
} from "./dialogs.js";
import { Editor } from "./editor.js";
import { Engine } from "./engine.js";
import { Game } from "./game.js";
import { Judge } from "./judge.js";
import { Page } from "./page.js";
import { Play } from "./play.js";
import { Players } from "./players.js";
import { writeOwn } from "./records.js";
import { mistakes } from "./review.js";
import { readBefore, readGame, readSettings, writeBefore, writeGame, writeSettings } from "./storage.js";

const MODEL = "model"; // the file of `python -m mlx_train web --model`
const JUDGES = ["ur-293k"]; // strong, and a quarter of a megabyte
const LOAD_MESSAGE_DELAY = 200; // milliseconds; the status line names a network that takes longer to load

const engine = new Engine();
const players = new Players(engine);
const settings = readSettings();
const play = new Play(engine, changed, (player) => players.names(play.game)[player]);
const judge = new Judge(engine, { current: () => play.game, changed: () => page.showSoon(), failed: complain });
const page = new Page(view, { pick: (move) => play.pick(move), go: goTo, editCell: (cell) => editor.cell(cell) });
const editor = new Editor(page.board, engine, edited);

let at = null; // the number of the turn that a person looks back at; null for the present
let starting = 0; // the number of the last start of a game; a new number cancels the starts before it

function view() {
  const { game } = play;
  const { help, speed } = settings;
  return {
    game: editor?.rules ? null : game,
    play,
    judge,
    at,
    help,
    speed,
    names: game && players.names(game),
    judgeWords: judgeWords(players, judge.name),
  };
}

/** Shows a step of the game, judges it and keeps it. */
function changed() {
  page.showSoon();
  judge.follow();
  if (play.game) writeGame(kept(play.game));
}

/** A message that stays until it is closed. */
function complain(text) {
  $("notice-text").textContent = text;
  $("notice").hidden = false;
}

// --- games -----------------------------------------------------------------------------------------------------------

const underWay = () => Boolean(play.game && !play.game.fresh && !play.game.over && !play.game.opened);

/** What the browser keeps of a game. */
function kept(game) {
  return { text: writeOwn(game.record), seats: game.seats, roll: game.roll, dice: game.dice, opened: game.opened };
}

/** Starts a game: loads the networks of its players, and plays. A game that is looked back at waits for a person. */
async function start(game, { looksBack = false } = {}) {
  const token = ++starting;
  if (underWay()) writeBefore(kept(play.game));
  play.leave();
  players.setRules(game.rules.name);
  page.show();
  const slow = setTimeout(setText, LOAD_MESSAGE_DELAY, $("status"), "Loading the players…");
  for (const [player, seat] of game.seats.entries()) {
    try {
      await players.load(players.agent(seat)?.network);
    } catch (error) {
      complain(error.message);
      game.seats[player] = "human";
    }
    if (token !== starting) return clearTimeout(slow);
  }
  clearTimeout(slow);
  play.take(
    game,
    game.seats.map((seat) => players.agent(seat)),
  );
  if (players.networks.get(judge.name)?.rules !== game.rules.name) chooseJudge();
  freeNetworks();
  $("before-open").hidden = !readBefore();
  at = looksBack && game.turns.length ? game.turns.length : null;
  if (at !== null) changed();
  else play.advance();
}

function newGame(seats, rules, start) {
  const names = seats.map((seat, player) => players.spelling(seat, player, seats));
  return new Game({ rules, seats, names, start });
}

async function askAndStart() {
  const chosen = await askNewGame(players, { seats: settings.seats, rules: settings.rules, underWay: underWay() });
  if (!chosen) return players.setRules(play.game.rules.name);
  remember({ ...chosen });
  await start(newGame(chosen.seats, chosen.rules));
}

/** The game of a record whose turns are complete (worker.js). */
async function gameOf(record, { seats = record.players.map((name) => players.seatOf(name)), roll = record.roll } = {}) {
  players.setRules(record.rules);
  const game = new Game({ rules: record.rules, seats, names: record.players, start: record.start });
  for (const { roll: rolled, options, move } of record.turns) {
    game.rolled(rolled, options);
    game.play(move);
  }
  game.ending = record.ending;
  game.notes = record.notes;
  if (roll !== null && game.winner === null) game.rolled(roll, await engine.options(game.position, roll));
  return game;
}

/** Takes up a game that the browser kept. */
async function takeUp({ text, seats, roll, dice, opened }) {
  const record = await engine.read(text);
  players.setRules(record.rules);
  const game = await gameOf(record, { seats: seats.map((seat) => (players.known(seat) ? seat : "human")), roll });
  game.dice = dice;
  game.opened = opened;
  await start(game, { looksBack: opened });
}

// --- opening ---------------------------------------------------------------------------------------------------------

async function openRecord(record) {
  const game = await gameOf(record);
  game.opened = game.turns.length > 0;
  $("notice").hidden = true;
  await start(game, { looksBack: true });
}

/** Opens a text: a link, a position's notation, or a record. */
async function openText(text) {
  try {
    const hash = /^\S*(#\S*=\S*)$/.exec(text)?.[1];
    const position =
      /^[x.]+:\d\|[x.]+:\d$/.test(text) && `#${new URLSearchParams({ position: text, rules: settings.rules })}`;
    const record = await engine.read(hash ?? (position || text));
    if (!record) throw new Error("the link says nothing");
    await openRecord(record);
  } catch (error) {
    complain(error.message);
  }
}

async function openFile(file) {
  const name = players.nameOfFile(file.name);
  let opened;
  try {
    opened = await engine.open(name, await file.arrayBuffer());
    if (opened.record) return await openRecord(opened.record);
  } catch (error) {
    return complain(`${file.name}: ${error.message}`);
  }
  $("notice").hidden = true;
  players.add(file.name, opened.network);
  players.fillJudges($("judge"), judge.name);
  if (name === judge.name) await useJudge(name); // this name now means another network in the worker
  seat(name);
}

/** Seats the server's model against a person, under the name in the page's address. */
async function offerModel(file) {
  const name = players.add(file, undefined, [new URL(MODEL, document.baseURI).href]);
  try {
    await players.load(name);
  } catch (error) {
    players.networks.delete(name);
    return complain(error.message);
  }
  players.fillJudges($("judge"), judge.name);
  return seat(name);
}

/** Seats a network against the person: at once where no game is under way, else after a question. */
function seat(name) {
  const { rules } = players.networks.get(name);
  players.setRules(rules);
  const seats = settings.seats[1] === "human" ? [`net:${name}`, "human"] : ["human", `net:${name}`];
  remember({ seats, rules });
  return underWay() ? askAndStart() : start(newGame(seats, rules));
}

// --- the judge -------------------------------------------------------------------------------------------------------

/** Makes the settings' network the judge, or the usual one of the rule set. */
function chooseJudge() {
  judge.use(null);
  players.fillJudges($("judge"), null);
  const name = players.judgeOf([settings.judge, ...JUDGES]);
  return name && useJudge(name);
}

/** Makes a network the judge, or keeps the present one if it can't value positions. */
async function useJudge(name) {
  try {
    await players.load(name);
    if (players.networks.get(name)?.rules !== play.game?.rules.name) return; // another game has begun
    if (!players.networks.get(name).values)
      throw new Error(`${name} has a policy alone: it plays, but can't value positions`);
    judge.use(name);
  } catch (error) {
    complain(error.message);
  }
  $("judge").value = judge.name ?? "";
  $("about-judge").textContent = judgeWords(players, judge.name);
  freeNetworks();
  page.show();
}

/** Frees the worker's networks, except those that are in use, and those of opened files. */
function freeNetworks() {
  const opened = [...players.networks].filter(([, { addresses }]) => !addresses.length).map(([name]) => name);
  engine.keepNetworks(
    [judge.name, $("judge").value, ...play.agents.map((agent) => agent?.network), ...opened].filter(Boolean),
  );
}

// --- turns, and looking back -----------------------------------------------------------------------------------------

function press() {
  const { game } = play;
  if (at !== null) return toPresent();
  if (game.over) return start(newGame(game.seats, game.rules.name));
  if (play.watching) return play.toggle();
  $("action").disabled = true;
  return play.roll();
}

function back() {
  const { game } = play;
  if (at !== null) playFrom(at);
  else if (game.notes.length) playFrom(game.turns.length);
  else play.backTo(play.lastChoice);
}

/** Plays on from a turn of the past, or from the end of a record. */
function playFrom(index) {
  const { game } = play;
  at = null;
  game.opened = false;
  game.ending = null;
  game.notes = [];
  if (index < game.turns.length) play.backTo(index);
  else play.advance();
}

function toPresent() {
  const { game } = play;
  at = null;
  game.opened &&= game.over;
  if (game.over) page.show();
  else play.advance();
}

/** Shows the moment before a turn. */
function goTo(index) {
  const { game } = play;
  if (!game || !game.turns.length) return;
  if (play.watching && !play.paused) play.toggle();
  const last = game.turns.length;
  at = Math.min(Math.max(0, index), last);
  if (at === last && !game.opened) at = null;
  page.show();
  if (at === null && !game.over) play.advance();
}

function goToMistake() {
  const found = mistakes(play.game.turns);
  goTo(found.find((index) => index > (at ?? -1)) ?? found[0]);
}

/** Walks through the game with the arrow keys, Home, End and Escape. */
function walk(event) {
  if (!play.game || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser's own keys
  const index = at ?? play.game.turns.length;
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -10, PageDown: 10 };
  if (event.key in steps) goTo(index + steps[event.key]);
  else if (event.key === "Home") goTo(0);
  else if (event.key === "End") goTo(play.game.turns.length);
  else if (event.key === "Escape" && at !== null) toPresent();
  else return;
  event.preventDefault();
}

function edit() {
  const { game } = play;
  const board = game.board(at ?? game.turns.length);
  editor.open(game.rules, board);
}

/** After the editor: a game from the position, or the game as it was. */
function edited(position) {
  if (!position) return page.show();
  start(newGame(play.game.seats, play.game.rules.name, position));
}

// --- settings and start ----------------------------------------------------------------------------------------------

function remember(changes) {
  Object.assign(settings, changes);
  play.pause = Number(settings.speed);
  writeSettings(settings);
}

function listen() {
  $("action").addEventListener("click", press);
  $("undo").addEventListener("click", back);
  $("new-open").addEventListener("click", askAndStart);
  $("menu").addEventListener("click", () => $("menu").hidePopover());
  $("edit-open").addEventListener("click", edit);
  $("before-open").addEventListener("click", () => takeUp(readBefore()));
  $("notice-close").addEventListener("click", () => ($("notice").hidden = true));
  $("help-mode").addEventListener("change", ({ target }) => {
    remember({ help: target.value });
    page.show();
  });
  const index = () => at ?? play.game.turns.length;
  $("go-first").addEventListener("click", () => goTo(0));
  $("go-back").addEventListener("click", () => goTo(index() - 1));
  $("go-on").addEventListener("click", () => goTo(index() + 1));
  $("go-last").addEventListener("click", () => goTo(play.game.turns.length));
  $("go-mistake").addEventListener("click", goToMistake);
  for (const id of ["log-card", "chart-card"]) $(id).addEventListener("keydown", walk);
  addEventListener("hashchange", () => location.hash && openText(location.hash));
  listenNewGame(players);
  listenOpen(openFile, openText);
  listenSave(
    () => ({
      game: play.game,
      position: play.game.moment(at ?? play.game.turns.length).position,
      roll: play.game.moment(at ?? play.game.turns.length).roll,
    }),
    complain,
  );
  listenSettings(players, ({ judge: name, ...changes }) => {
    remember(name ? { judge: name } : changes);
    if (name) useJudge(name);
  });
  listenHelp(() => play.game.rules);
}

/** The first game: the link's, the model's, the kept one, or a new one. */
async function firstGame() {
  if (location.hash.includes("=")) await openText(location.hash);
  const model = new URLSearchParams(location.search).get("model");
  if (!play.game && model) await offerModel(model);
  const game = readGame();
  if (!play.game && game) await takeUp(game).catch(() => {});
  if (!play.game) await start(newGame(settings.seats, settings.rules));
}

async function main() {
  addEventListener("unhandledrejection", ({ reason }) => complain(reason.message));
  let ruleSets;
  try {
    ruleSets = await engine.ready();
  } catch (error) {
    setText($("status"), "The game cannot start.");
    return complain(error.message);
  }
  await players.list().catch((error) => complain(error.message)); // the search needs no list
  if (!ruleSets.includes(settings.rules)) settings.rules = "finkel";
  players.setRules(settings.rules);
  const seats = settings.seats.map((seat, player) =>
    seat && players.known(seat) ? seat : player ? players.usual : "human",
  );
  remember({ seats });
  $("speed").value = settings.speed;
  fillRules(ruleSets, settings.rules);
  listen();
  await firstGame();
}

main();
