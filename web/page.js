// Shows a moment of a game: the present, or a turn that a person looks back at.
import { Board } from "./board.js";
import { Chart } from "./chart.js";
import { showDice } from "./dice.js";
import { $, make, percent, setText } from "./dom.js";
import { guide } from "./guide.js";
import { Log, moveWords } from "./log.js";
import { showMoves } from "./moves.js";
import { firstShare, isBest, mistakes, regretText } from "./review.js";
import { showSummary } from "./summary.js";

const LEGEND = {
  best: "best move",
  played: "played move",
  aimed: "where a piece would go",
  last: "last move",
};
const POSSESSIVE = { You: "Your" };
const ALL_MARKS = 3; // the board never has more kinds of mark at a time

export class Page {
  #seen = { game: null, turns: 0, roll: null }; // what was shown last, to animate what is new
  #frame = 0; // the animation frame that is asked for
  #listed = ""; // the moves in the list, so that it is replaced only when they change

  /**
   * `actions`: pick(move), go(number of a turn), editCell(cell's name). `view()` gives what to show: {game, play, judge,
   * names, at, help, speed, judgeWords}; `at` is null for the present.
   */
  constructor(view, actions) {
    this.view = view;
    this.actions = actions;
    this.board = new Board($("table"), (picked) =>
      typeof picked === "string" ? actions.editCell(picked) : actions.pick(picked),
    );
    this.log = new Log($("log"), actions.go);
    this.chart = new Chart($("chart"), $("chart-words"), actions.go);
  }

  /** Draws everything in the next frame, once for all that changed before it. */
  showSoon() {
    this.#frame ||= requestAnimationFrame(() => this.show());
  }

  /** Draws everything. */
  show() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const view = this.view();
    const { game, at } = view;
    if (!game) return this.#showNothing();
    const index = at ?? game.turns.length;
    const scene = {
      ...view,
      index,
      past: at !== null,
      moment: game.moment(index),
      judged: view.help !== "none" || game.over,
    };
    const follows = focusFollows();
    this.#showBoard(scene);
    this.#showOdds(scene);
    this.#showTurn(scene);
    this.#showMoves(scene);
    this.#showGuide(scene);
    this.#showReview(scene);
    if (follows && !scene.past && !scene.play.watching) this.#focusNext(scene);
    this.#seen = { game, turns: game.turns.length, roll: game.roll };
  }

  #showNothing() {
    this.board.offer(0, []);
    this.board.point([]);
    $("moves").replaceChildren();
    this.#listed = "";
    for (const id of ["action", "undo"]) $(id).disabled = true;
  }

  // --- the board -------------------------------------------------------------------------------------------------------

  #showBoard(scene) {
    const { game, index, past, moment, names, play, speed } = scene;
    const { board } = this;
    const lively = speed !== "0" && !past && this.#seen.game === game;
    board.setRules(game.rules);
    board.owners = names.map((name) => POSSESSIVE[name] ?? `${name}’s`);
    board.show(game.board(index), lively && game.turns.length > this.#seen.turns);
    const last = game.turns[index - 1];
    board.markLast(last?.player, last?.move);
    const offered = !past && play.waitsForMove ? this.#offers(scene) : [];
    board.offer(moment.player, offered);
    const arrows = past
      ? this.#pastArrows(scene)
      : offered.filter(({ best }) => best).map((move) => ({ ...move, player: moment.player, kind: "best" }));
    board.point(arrows);
    this.#showLegend(
      new Set([
        ...arrows.map(({ kind }) => kind),
        ...(offered.length ? ["aimed"] : []),
        ...(last?.move ? ["last"] : []),
      ]),
    );
    const dice = game.dice[index];
    showDice(
      $("dice"),
      game.rules,
      moment.roll === null ? null : (dice ?? moment.roll),
      lively && moment.roll !== null && this.#seen.roll === null,
    );
  }

  /** The legal moves of a moment with their values, if they may be shown. */
  #offers({ game, moment, past, judge, help, judged }) {
    const known = past ? judged && moment.verdict : help === "hints" && judge.opinion;
    const values = new Map(known ? known.moves.map(({ square, value }) => [square, value]) : []);
    const highest = Math.max(...values.values());
    return (moment.options?.moves ?? []).map((move) => {
      const value = values.get(move.square);
      const best = value !== undefined && value === highest && values.size > 1;
      const said = [
        move.to === game.rules.off ? "off the board" : `to ${move.to}`,
        move.captures && "captures",
        move.again && "roll again",
      ];
      if (value !== undefined) said.push(percent(value), best && "best");
      const label = value === undefined ? "" : (100 * value).toFixed(1);
      return { ...move, value, best, label, text: said.filter(Boolean).join(", ") };
    });
  }

  #pastArrows(scene) {
    const { moment, judged } = scene;
    if (!moment.move) return [];
    const { player, move, verdict } = moment;
    const moves = this.#offers(scene);
    const arrow = (square, kind) => ({ ...moves.find((each) => each.square === square), player, kind });
    const better = judged && verdict && verdict.regret !== null && !isBest(verdict.regret);
    return [arrow(move.square, "played"), ...(better ? [arrow(verdict.square, "best")] : [])];
  }

  #showLegend(kinds) {
    const shown = Object.keys(LEGEND)
      .filter((kind) => kinds.has(kind))
      .slice(0, ALL_MARKS);
    if ($("legend").dataset.shown === shown.join()) return;
    $("legend").dataset.shown = shown.join();
    $("legend").replaceChildren(
      ...shown.map((kind) =>
        make("li", "", {}, make("span", `sample ${kind}`, { "aria-hidden": "true" }), LEGEND[kind]),
      ),
    );
  }

  // --- the players and the turn ----------------------------------------------------------------------------------------

  /** Player 0's win probability at a moment, or null. */
  #share({ game, moment, past, judge, judged, index }) {
    if (!judged) return null;
    if (index === game.turns.length && game.winner !== null) return 1 - game.winner;
    const known = past && index < game.turns.length ? moment.verdict : judge.opinion;
    return known ? firstShare(moment.player, known.best ?? known.before) : null;
  }

  #showOdds(scene) {
    const { names, moment, game } = scene;
    const share = this.#share(scene);
    [share, share === null ? null : 1 - share].forEach((each, player) => {
      setText($(`name-${player}`), names[player]);
      setText($(`odds-${player}`), each === null ? "" : percent(each));
    });
    $("play").dataset.player = game.winner ?? moment.player;
    $("odds-bar").classList.toggle("hidden", share === null);
    $("odds-fill").style.transform = `translateX(${100 * ((share ?? 0.5) - 1)}%)`;
    $("odds-bar").setAttribute("aria-valuenow", (100 * (share ?? 0.5)).toFixed(1));
    $("odds-bar").setAttribute(
      "aria-valuetext",
      share === null ? "not known" : `${names[0]} ${percent(share)}, ${names[1]} ${percent(1 - share)}`,
    );
  }

  #showTurn(scene) {
    const { game, play, past, index, help, judge } = scene;
    setText($("status"), past ? pastWords(scene) : presentWords(scene));
    $("status").setAttribute("aria-live", play.watching && !play.paused && !past ? "off" : "polite");
    const action = $("action");
    const undo = $("undo");
    if (past) {
      setText(action, index === game.turns.length && !game.over ? "Play on" : "Back");
      setText(undo, "Play on here");
      undo.disabled = index === game.turns.length;
    } else {
      setText(action, game.over ? "Play again" : play.watching ? (play.paused ? "Start" : "Pause") : "Roll the dice");
      setText(undo, game.notes.length ? "Play on" : "Undo");
      undo.disabled = game.notes.length === 0 && play.lastChoice < 0;
    }
    action.disabled = !(past || game.over || play.watching || play.waitsForRoll);
    $("help-mode").value = help;
    $("help-mode").parentElement.hidden = !judge.name;
  }

  #showMoves(scene) {
    const { game, play, past, moment } = scene;
    const canPick = !past && play.waitsForMove;
    const moves = this.#offers(scene).map((move) => ({ ...move, played: past && move.square === moment.move?.square }));
    const listed = JSON.stringify([canPick, moment.player, moves]);
    const message = moment.options
      ? moves.length
        ? ""
        : `No legal move with ${moment.roll}.`
      : game.over
        ? ""
        : play.thought;
    $("moves-card").hidden = !moves.length && !message;
    setText($("moves-none"), message);
    $("moves-none").hidden = !message || moves.length > 0;
    if (listed === this.#listed) return;
    this.#listed = listed;
    showMoves($("moves"), game.rules, moves, canPick ? this.actions.pick : null, (move) => this.board.aim(move));
  }

  #focusNext({ play }) {
    if (!$("action").disabled) $("action").focus({ preventScroll: true });
    else if (play.waitsForMove) this.board.focus();
  }

  /** The rules, until the first turn is played. */
  #showGuide({ game }) {
    $("rules-card").hidden = game.turns.length > 0;
    if (game.turns.length === 0 && this.#seen.game !== game) $("rules-words").replaceChildren(...guide(game.rules));
  }

  // --- looking back ----------------------------------------------------------------------------------------------------

  #showReview(scene) {
    const { game, names, index, judged, judge, judgeWords } = scene;
    const { turns } = game;
    for (const id of ["log-card", "chart-card"]) $(id).hidden = turns.length === 0;
    $("chart-card").hidden ||= !judged || !judge.name;
    $("go-mistake").hidden = !judged || !judge.name;
    $("go-mistake").disabled = mistakes(turns).length === 0;
    $("go-first").disabled = $("go-back").disabled = index === 0;
    $("go-on").disabled = $("go-last").disabled = index === turns.length;
    this.log.show(game, names, index, judged);
    const whose = POSSESSIVE[names[0]] ?? `${names[0]}’s`;
    const now = this.#share({ ...scene, past: false, index: turns.length, moment: game });
    this.chart.show({ turns: judged ? turns : [], now, at: Math.min(index, turns.length), names, name: whose });
    setText($("judge-words"), judgeWords);
    const complete = (game.over || game.opened) && judged && turns.some(({ verdict }) => verdict);
    $("summary-card").hidden = !complete;
    $("summary-card").setAttribute("aria-busy", String(turns.some(({ verdict }) => !verdict)));
    if (complete) showSummary($("summary"), game, names, this.actions.go);
  }
}

/** Whether the focus follows the game: it is on a move, on the button of the turn, or nowhere. */
function focusFollows() {
  const focused = document.activeElement;
  const places = [$("table"), $("moves"), $("action")];
  return focused === document.body || focused.disabled || places.some((place) => place.contains(focused));
}

const verb = (name, word) => (name === "You" ? word : `${word}s`);

/** A past turn as sentences. */
function pastWords({ game, moment, names, index, judged }) {
  if (index === game.turns.length)
    return game.over
      ? endWords(game, names)
      : `The present: ${names[game.player]} ${verb(names[game.player], "roll")}.`;
  const { player, roll, move, verdict, options } = moment;
  const start = `Turn ${index + 1}: ${names[player]} rolled ${roll},`;
  if (!move) return `${start} passed.`;
  const played = `${start} moved ${moveWords(game.rules, move)}`;
  if (!judged || !verdict || verdict.regret === null) return `${played}.`;
  if (isBest(verdict.regret)) return `${played}, the best move.`;
  const best = options.moves.find(({ square }) => square === verdict.square);
  return `${played} (${regretText(verdict.regret)}). Best was ${moveWords(game.rules, best)}.`;
}

/** The present as sentences. */
function presentWords({ game, play, names }) {
  const { player, roll, options, turns } = game;
  const name = names[player];
  if (game.over) return endWords(game, names);
  if (roll === null) {
    if (play.watching && play.paused && !turns.length) return "Two agents are ready.";
    const again = turns.at(-1)?.player === player ? " again" : "";
    return `${lastWords(game, names)}${name} ${verb(name, "roll")}${again}.`;
  }
  const count = options.moves.length;
  if (!count) return `${name} rolled ${roll}: no legal move, the turn passes.`;
  return `${name} rolled ${roll}: ${count === 1 ? "one legal move" : `${count} legal moves`}.`;
}

function endWords({ winner, turns, notes }, names) {
  if (winner === null) return notes.join(" ");
  return `${names[winner]} ${verb(names[winner], "win")} in ${turns.length} turns.`;
}

/** The other player's last turn as a sentence, or an empty text. */
function lastWords({ turns, player, rules }, names) {
  const last = turns.at(-1);
  if (!last || last.player === player) return "";
  return `${names[last.player]} ${last.move ? `moved ${moveWords(rules, last.move)}` : "passed"}. `;
}
